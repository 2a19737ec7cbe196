"""NetworkBytes and DiskBytes: many NICs, none, NICs that cannot be addressed, and the sums.

The test driver makes a NIC's bytes of its clock: sent = microseconds since the epoch / 20, received = / 10, the
same for every NIC; a disk's are read = / 20, written = / 40. So a sum is checked between two readings of the clock.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import libvirt
import pytest

from tests.testdriver.support import PRODUCTS, VS, accountant, raw
from vpcshim import HRESULT, VT, ComError
from vpcshim.com.member import Product
from vpcshim.testing import Disk, Machine, Nic, Node, NodeBuilder

everywhere = pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])
DIVISORS = {"NetworkBytesSent": 20, "NetworkBytesReceived": 10, "DiskBytesRead": 20, "DiskBytesWritten": 40}
MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")


def now_us() -> int:
    return time.time_ns() // 1000


@everywhere
@pytest.mark.parametrize("count", [0, 1, 2, 40])
@pytest.mark.parametrize("member", DIVISORS)
def test_the_sum_is_over_every_device(vpcshim_node: NodeBuilder, product: Product, member: str, count: int) -> None:
    devices: dict[str, Any] = {"nics": count} if member.startswith("Network") else {"disks": min(count, 20)}
    count = next(iter(devices.values()))
    account = accountant(vpcshim_node(Machine("web", **devices)), "web", product)
    before = now_us()
    code, out = raw(account, member)
    after = now_us()
    assert (code, out.vt) == (HRESULT.S_OK, VT.DECIMAL)
    assert isinstance(out.value, Decimal)
    # Each counter is cut off to a whole number.
    assert count * (before // DIVISORS[member]) <= out.value <= count * (after // DIVISORS[member])


@everywhere
def test_a_sum_beyond_64_bits_is_exact(
    vpcshim_node: NodeBuilder, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = (1 << 63) - 1
    stats = (huge, 0, 0, 0, huge, 0, 0, 0)
    account = accountant(vpcshim_node(Machine("web", nics=5)), "web", product)
    monkeypatch.setattr(libvirt.virDomain, "interfaceStats", lambda *_: stats)
    assert raw(account, "NetworkBytesSent")[1].value == 5 * huge > 2**64


@everywhere
@pytest.mark.parametrize(
    ("devices", "count"),
    [
        ([Disk(), Disk("floppy"), Disk("cdrom")], 2),
        ([Disk("floppy")], 0),
        ([Disk("lun"), Disk("disk", target="sdb"), Disk("disk", target="hdd")], 3),
    ],
)
def test_every_drive_but_floppies_counts(
    vpcshim_node: NodeBuilder, product: Product, devices: list[Disk], count: int
) -> None:
    account = accountant(vpcshim_node(Machine("web", disks=devices)), "web", product)
    before = now_us()
    total = account.DiskBytesRead
    assert count * (before // 20) <= total <= count * (now_us() // 20)


def test_the_types_of_nics_all_count(vpcshim_node: NodeBuilder) -> None:
    nics = [Nic(), Nic("ethernet"), Nic("network", "default"), Nic("bridge", "br0"), Nic(target="tap7")]
    account = accountant(vpcshim_node(Machine("web", nics=nics), networks=["default"]), "web")
    before = now_us()
    total = account.NetworkBytesSent
    assert 5 * (before // 20) <= total <= 5 * (now_us() // 20)


def without_targets(node: Node, name: str, *macs: str) -> None:
    """Leave the machine running with NICs that have no `<target>`.

    The driver gives every NIC of a definition a target; only the definition inside a snapshot goes by without.
    """
    with node.connection() as connect:
        domain = connect.lookupByName(name)
        nics = "".join(f"<interface type='user'><mac address='{mac}'/></interface>" for mac in macs)
        snapshot = domain.snapshotCreateXML(
            f"""<domainsnapshot><name>bare</name><state>running</state><creationTime>1</creationTime>
            <memory snapshot='internal'/>
            <domain type='test'><name>{name}</name><uuid>{domain.UUIDString()}</uuid><memory>1024</memory>
            <vcpu>1</vcpu><os><type>hvm</type></os><devices>{nics}</devices></domain></domainsnapshot>""",
            libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE,
        )
        domain.revertToSnapshot(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE)
        assert "<target" not in domain.XMLDesc()
        assert connect.lookupByName(name).ID() > 0  # the id in the old handle is the one that it had


@everywhere
def test_nics_without_target_are_addressed_by_their_mac(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("web", state="shutoff", nics=0))
    account = accountant(node, "web", product)
    without_targets(node, "web", *MACS)
    before = now_us()
    total = account.NetworkBytesSent
    assert 2 * (before // 20) <= total <= 2 * (now_us() // 20)


@everywhere
@pytest.mark.parametrize("member", ["NetworkBytesSent", "NetworkBytesReceived"])
def test_two_nics_of_one_mac_and_no_target_cannot_be_told_apart(
    vpcshim_node: NodeBuilder, product: Product, member: str
) -> None:
    node = vpcshim_node(Machine("web", state="shutoff", nics=0))
    account = accountant(node, "web", product)
    without_targets(node, "web", MACS[0], MACS[1], MACS[0])
    code, out = raw(account, member)
    assert (code, out.vt) == (HRESULT.DISP_E_EXCEPTION, VT.EMPTY)
    with pytest.raises(ComError) as caught:
        getattr(account, member)
    assert "web: NIC 1 (52:54:00:00:00:01, type user) cannot be addressed" in caught.value.description
    assert "NIC 3 (52:54:00:00:00:01, type user) cannot be addressed" in caught.value.description
    assert "NIC 2" not in caught.value.description
    skipping = accountant(node, "web", product, unreadable_nics="skip")
    before = now_us()
    total = getattr(skipping, member)
    divisor = DIVISORS[member]
    assert before // divisor <= total <= now_us() // divisor


def test_two_nics_of_one_mac_with_targets_both_count(vpcshim_node: NodeBuilder) -> None:
    account = accountant(vpcshim_node(Machine("web", nics=[Nic(mac=MACS[0])] * 2)), "web")
    before = now_us()
    total = account.NetworkBytesSent
    assert 2 * (before // 20) <= total <= 2 * (now_us() // 20)


@everywhere
def test_a_field_of_minus_one_is_never_part_of_a_sum(
    vpcshim_node: NodeBuilder, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = vpcshim_node(Machine("web", nics=2))
    account = accountant(node, "web", product)
    answers = {"testnet0": (-1, 0, 0, 0, 7, 0, 0, 0), "testnet1": (5, 0, 0, 0, -1, 0, 0, 0)}
    monkeypatch.setattr(libvirt.virDomain, "interfaceStats", lambda _, device: answers[device])
    with pytest.raises(ComError, match=r"NIC 2 \(testnet1, .*the hypervisor does not count sent bytes there"):
        _ = account.NetworkBytesSent
    with pytest.raises(ComError, match=r"NIC 1 \(testnet0, .*the hypervisor does not count received bytes there"):
        _ = account.NetworkBytesReceived
    skipping = accountant(node, "web", product, unreadable_nics="skip")
    assert [skipping.NetworkBytesSent, skipping.NetworkBytesReceived] == [Decimal(7), Decimal(5)]


def test_skipping_is_for_nics_not_for_drives(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    account = accountant(vpcshim_node("web"), "web", unreadable_nics="skip")
    monkeypatch.setattr(libvirt.virDomain, "blockStats", lambda *_: (-1, -1, -1, -1, -1))
    with pytest.raises(ComError, match=r"drive vda \(disk\): the hypervisor does not count read bytes there"):
        _ = account.DiskBytesRead


def test_a_paused_machine_is_still_read(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web", state="paused"))
    assert raw(accountant(node, "web"), "NetworkBytesSent")[0] is HRESULT.S_OK


@everywhere
@pytest.mark.parametrize("member", DIVISORS)
def test_no_out_parameter_is_e_pointer(vpcshim_node: NodeBuilder, product: Product, member: str) -> None:
    account = accountant(vpcshim_node("web"), "web", product)
    assert getattr(account, f"get_{member}")(None) is HRESULT.E_POINTER


def test_a_nic_that_is_gone_in_between_makes_the_xml_be_read_again(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = accountant(vpcshim_node(Machine("web", nics=2)), "web", VS)
    live = libvirt.virDomain.XMLDesc
    stale = iter(["testnet9"])

    def xml(domain: libvirt.virDomain, flags: int = 0) -> str:
        text: str = live(domain, flags)
        return text.replace("testnet1", next(stale, "testnet1"))

    monkeypatch.setattr(libvirt.virDomain, "XMLDesc", xml)
    before = now_us()
    assert 2 * (before // 20) <= account.NetworkBytesSent <= 2 * (now_us() // 20)
    assert next(stale, None) is None


def test_a_nic_that_is_still_unknown_then_is_named(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = accountant(vpcshim_node(Machine("web", nics=2)), "web", VS)
    live = libvirt.virDomain.XMLDesc
    monkeypatch.setattr(libvirt.virDomain, "XMLDesc", lambda *args: live(*args).replace("testnet1", "testnet9"))
    with pytest.raises(ComError, match=r"NIC 2 \(testnet9, .*cannot be read"):
        _ = account.NetworkBytesSent


def test_a_machine_that_stops_in_between_is_s_false(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = accountant(vpcshim_node("web"), "web")
    read = libvirt.virDomain.interfaceStats

    def stop_first(domain: libvirt.virDomain, device: str) -> Any:
        domain.destroy()
        return read(domain, device)

    monkeypatch.setattr(libvirt.virDomain, "interfaceStats", stop_first)
    code, out = raw(account, "NetworkBytesSent")
    assert (code, out.vt, out.value) == (HRESULT.S_FALSE, VT.DECIMAL, 0)


def test_a_machine_that_is_restarted_in_between_is_read_in_its_new_run(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = accountant(vpcshim_node("web"), "web")
    read = libvirt.virDomain.interfaceStats
    restarts = iter([True])

    def restart_first(domain: libvirt.virDomain, device: str) -> Any:
        if not next(restarts, False):
            return read(domain, device)
        domain.destroy()
        try:
            return read(domain, device)
        finally:
            domain.create()

    monkeypatch.setattr(libvirt.virDomain, "interfaceStats", restart_first)
    before = now_us()
    assert before // 20 <= account.NetworkBytesSent <= now_us() // 20


def test_a_refusal_while_the_same_run_is_on_is_no_stop(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = accountant(vpcshim_node("web", Machine("off", state="shutoff")), "web")
    read = libvirt.virDomain.interfaceStats

    def refused(domain: libvirt.virDomain, device: str) -> Any:
        return read(domain.connect().lookupByName("off"), device)

    monkeypatch.setattr(libvirt.virDomain, "interfaceStats", refused)
    code, out = raw(account, "NetworkBytesSent")
    assert (code, out.vt) == (HRESULT.DISP_E_EXCEPTION, VT.EMPTY)
