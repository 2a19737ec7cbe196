"""Which link of the host is taken for which NIC: on proof only."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.fakes import domain_xml, nic
from vpcshim.hypervisor.counters import Counters
from vpcshim.hypervisor.domainxml import DomainXml, parse
from vpcshim.hypervisor.nics import hostlinks
from vpcshim.hypervisor.nics.hostlinks import HostLinks
from vpcshim.hypervisor.rtnetlink import Link, LinkBytes

GUEST = "52:54:00:00:00:0a"
TAP = "fe:54:00:00:00:0a"


class FakeKernel:
    """Links by name and counters by index."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self.bytes: dict[int, LinkBytes] = {}
        self.asked: list[str] = []
        self.questions: list[list[int]] = []
        self.fails: OSError | None = None

    def add(self, name: str, number: int, mac: str, kind: str = "tun", *, ethernet: bool = True) -> None:
        self.links[name] = Link(number, mac, kind, ethernet)
        self.bytes[number] = LinkBytes(received=1000 + number, sent=2000 + number)

    def link(self, name: str) -> Link | None:
        self.asked.append(name)
        if self.fails is not None:
            raise self.fails
        return self.links.get(name)

    def counters(self, indexes: Sequence[int]) -> list[LinkBytes | None]:
        self.questions.append(list(indexes))
        if self.fails is not None:
            raise self.fails
        return [self.bytes.get(index) for index in indexes]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    made = FakeKernel()
    monkeypatch.setattr(hostlinks, "RtNetlink", lambda: made)
    return made


def xml(*nics: str) -> DomainXml:
    return parse(domain_xml("".join(nics)))


def read_one(of: str) -> Counters | str:
    ((answer,),) = HostLinks().read([xml(of)])
    return answer


@pytest.mark.parametrize("kind", ["bridge", "network", "ethernet"])
def test_a_tap_counts_the_other_way_round(kind: str, kernel: FakeKernel) -> None:
    """What the host receives from the tap is what the guest has sent."""
    kernel.add("vnet0", 3, TAP)
    assert read_one(nic("vnet0", GUEST, kind)) == Counters(into=2003, out=1003)


def test_a_macvtap_counts_as_the_guest_does(kernel: FakeKernel) -> None:
    kernel.add("macvtap0", 3, GUEST, "macvtap")
    assert read_one(nic("macvtap0", GUEST, "direct")) == Counters(into=1003, out=2003)


@pytest.mark.parametrize(
    ("kind", "link_kind", "mac", "ethernet"),
    [
        ("bridge", "macvtap", GUEST, True),
        ("bridge", "macvtap", TAP, True),
        ("direct", "tun", TAP, True),
        ("direct", "tun", GUEST, True),
        ("direct", "macvlan", GUEST, True),
        ("bridge", "veth", TAP, True),
        ("bridge", "bridge", TAP, True),
        ("bridge", "", TAP, True),
        ("bridge", "tun", TAP, False),
        ("user", "tun", TAP, True),
        ("vhostuser", "tun", TAP, True),
        ("hostdev", "", GUEST, True),
        ("", "tun", TAP, True),
    ],
)
def test_a_link_whose_direction_is_not_known_is_refused(
    kind: str, link_kind: str, mac: str, ethernet: bool, kernel: FakeKernel
) -> None:
    kernel.add("vnet0", 3, mac, link_kind, ethernet=ethernet)
    told = f"vnet0 is of kind {link_kind or 'hardware'} and type {kind}: its direction is not known"
    assert read_one(nic("vnet0", GUEST, kind)) == told


@pytest.mark.parametrize(
    ("kind", "link_kind", "mac", "nic_mac"),
    [
        ("bridge", "tun", GUEST, GUEST),
        ("bridge", "tun", "fe:54:00:00:00:0b", GUEST),
        ("bridge", "tun", "", GUEST),
        ("direct", "macvtap", TAP, GUEST),
        ("bridge", "tun", "fe", None),
        ("direct", "macvtap", "", None),
    ],
)
def test_another_mac_is_another_machine(
    kind: str, link_kind: str, mac: str, nic_mac: str | None, kernel: FakeKernel
) -> None:
    kernel.add("vnet0", 3, mac, link_kind)
    answer = read_one(nic("vnet0", nic_mac, kind))
    assert isinstance(answer, str)
    assert answer.startswith(f"the MAC address of vnet0 is {mac}, not ")
    assert answer.endswith("it may be another machine's")


def test_a_mac_in_capitals_is_the_same(kernel: FakeKernel) -> None:
    kernel.add("vnet0", 3, TAP)
    assert isinstance(read_one(nic("vnet0", GUEST.upper())), Counters)


def test_no_target_and_no_such_link(kernel: FakeKernel) -> None:
    assert read_one(nic(None, GUEST)) == "the XML names no host device"
    assert kernel.asked == []
    assert read_one(nic("vnet0", GUEST)) == "there is no link vnet0 in this network namespace"


def test_several_machines_in_one_question(kernel: FakeKernel) -> None:
    kernel.add("vnet0", 3, TAP)
    kernel.add("vnet1", 4, "fe:54:00:00:00:0b")
    kernel.add("vnet2", 5, "fe:54:00:00:00:0c")
    links = HostLinks()
    machines = [
        xml(nic("vnet0", GUEST), nic(None, "52:54:00:00:00:0d"), nic("vnet2", "52:54:00:00:00:0c")),
        xml(),
        xml(nic("vnet1", "52:54:00:00:00:0b")),
    ]
    expected = [
        [Counters(2003, 1003), "the XML names no host device", Counters(2005, 1005)],
        [],
        [Counters(2004, 1004)],
    ]
    assert links.read(machines) == expected
    assert kernel.questions == [[3, 5, 4]]
    assert links.read(machines) == expected
    assert kernel.asked == ["vnet0", "vnet2", "vnet1"]  # a proof lives as long as its XML


def test_a_link_that_was_replaced_answers_no_more(kernel: FakeKernel) -> None:
    kernel.add("vnet0", 3, TAP)
    links = HostLinks()
    machine = xml(nic("vnet0", GUEST))
    links.read([machine])
    del kernel.bytes[3]
    kernel.add("vnet0", 9, TAP)  # same name, same MAC, another link
    assert links.read([machine]) == [["its host device was replaced"]]
    assert links.read([xml(nic("vnet0", GUEST))]) == [[Counters(2009, 1009)]]


@pytest.mark.parametrize("when", ["link", "counters"])
def test_a_kernel_that_refuses_turns_the_source_off(when: str, kernel: FakeKernel) -> None:
    kernel.add("vnet0", 3, TAP)
    links = HostLinks()
    machine = xml(nic("vnet0", GUEST), nic(None))
    if when == "counters":
        links.read([machine])
    kernel.fails = OSError(95, "Operation not supported")
    told = "the kernel does not tell link counters: [Errno 95] Operation not supported"
    assert links.read([machine, xml()]) == [[told, told], []]
    kernel.fails = None
    asked = len(kernel.asked) + len(kernel.questions)
    assert links.read([machine]) == [[told, told]]
    assert len(kernel.asked) + len(kernel.questions) == asked  # it is not asked again
