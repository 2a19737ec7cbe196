"""What the setters of a machine's hardware, firmware and automation refuse, and what they change."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from tests.testdriver.support import PRODUCTS, VPC, VS, machine
from vpcshim import HRESULT, ComError
from vpcshim.com.member import Product
from vpcshim.hypervisor import account
from vpcshim.model.virtual_machine import VirtualMachine
from vpcshim.testing import Machine, Node, NodeBuilder

FIRMWARE = ("BIOSSerialNumber", "BaseBoardSerialNumber", "ChassisSerialNumber", "ChassisAssetTag")


@pytest.fixture(params=PRODUCTS, ids=lambda product: product.value)
def product(request: pytest.FixtureRequest) -> Product:
    return request.param  # type: ignore[no-any-return]


def refused(vm: VirtualMachine, name: str, value: Any) -> ComError:
    with pytest.raises(ComError) as caught:
        setattr(vm, name, value)
    assert getattr(vm, f"put_{name}")(value) == caught.value.scode
    assert caught.value.description
    return caught.value


def definition(node: Node, name: str = "web") -> str:
    with node.connection() as connect:
        return str(connect.lookupByName(name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def with_cpu(node: Node, cpu: str, arch: str = "") -> VirtualMachine:
    text = definition(node).replace("<clock ", f"{cpu}<clock ", 1)
    with node.connection() as connect:
        connect.defineXML(text.replace("arch='i686'", f"arch='{arch}'") if arch else text)
    return machine(node, "web")


@pytest.mark.parametrize("state", ["running", "paused", "saved"])
def test_a_machine_that_is_not_off_keeps_what_it_is_made_of(
    vpcshim_node: NodeBuilder, product: Product, state: Any
) -> None:
    node = vpcshim_node(Machine("web", state=state))
    vm = machine(node, "web", product)
    before = definition(node)
    memory = HRESULT.DISP_E_EXCEPTION if product is VS else HRESULT.VM_E_PREF_VM_ACTIVE
    assert refused(vm, "Memory", 128).scode == memory
    guid = HRESULT.DISP_E_EXCEPTION if product is VS else HRESULT.VM_E_VM_RUNNING_OR_SAVED
    assert refused(vm, "BIOSGUID", vm.BIOSGUID).scode == guid
    firmware = HRESULT.VM_E_VM_RUNNING if product is VS else HRESULT.VM_E_VM_RUNNING_OR_SAVED
    for name in FIRMWARE:
        assert refused(vm, name, "A1").scode == firmware
    assert definition(node) == before


@pytest.mark.parametrize("megabytes", [-1, 0, 3, 3073, (1 << 31) - 1])
def test_memory_has_its_range(vpcshim_node: NodeBuilder, product: Product, megabytes: int) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", product)
    assert refused(vm, "Memory", megabytes).scode == HRESULT.E_INVALIDARG
    for allowed in (4, 3072):
        vm.Memory = allowed
        assert vm.Memory == allowed


def test_memory_made_of_parts_is_left_alone(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web", state="shutoff", vcpus=2))
    cells = "".join(f"<cell id='{number}' cpus='{number}' memory='131072'/>" for number in (0, 1))
    vm = with_cpu(node, f"<cpu><numa>{cells}</numa></cpu>")
    assert "NUMA" in refused(vm, "Memory", 128).description
    assert vm.Memory == 256


@pytest.mark.parametrize("name", FIRMWARE)
def test_the_firmware_takes_what_smbios_can_hold(vpcshim_node: NodeBuilder, product: Product, name: str) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = machine(node, "web", product)
    for value in ("A", "x" * 32, "1-2, 3=4 <&> \"'"):
        setattr(vm, name, value)
        assert getattr(vm, name) == value
    for wrong in ("", "x" * 33, "tab\t", "line\n", "\0", "Ä", "\u200b"):
        assert refused(vm, name, wrong).scode == HRESULT.E_INVALIDARG
    assert getattr(vm, name) == "1-2, 3=4 <&> \"'"
    assert [getattr(vm, other) for other in FIRMWARE if other != name] == ["", "", ""]


def test_a_guest_that_is_shown_the_hosts_firmware(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    text = definition(node).replace("</os>", "<smbios mode='host'/></os>", 1)
    with node.connection() as connect:
        connect.defineXML(text)
    vm = machine(node, "web")
    assert "host's own" in refused(vm, "ChassisSerialNumber", "A1").description
    # The test driver has no host to show: a mock of the handle.
    sysinfo = "<sysinfo type='smbios'><chassis><entry name='serial'>H 1</entry></chassis></sysinfo>"
    monkeypatch.setattr(libvirt.virConnect, "getSysinfo", lambda *_: sysinfo)
    assert (vm.ChassisSerialNumber, vm.ChassisAssetTag) == ("H 1", "")


def test_the_guid_is_the_domains(vpcshim_node: NodeBuilder, product: Product) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", product)
    own = vm.BIOSGUID
    assert own == vm.ConfigID
    vm.BIOSGUID = own.lower()
    assert own == vm.BIOSGUID
    for wrong in ("", own[1:-1], own[:-1], f" {own}", own.replace("-", ""), "{" + "g" * 36 + "}"):
        assert refused(vm, "BIOSGUID", wrong).scode == HRESULT.E_INVALIDARG
    other = "{01234567-89AB-CDEF-0123-456789ABCDEF}"
    error = refused(vm, "BIOSGUID", other)
    assert error.scode == HRESULT.DISP_E_EXCEPTION
    assert own in error.description
    assert other[1:-1] in error.description
    assert own == vm.BIOSGUID


# -- the processor ---------------------------------------------------------------------------------------------


def features(vm: VirtualMachine) -> tuple[bool, bool, bool, bool]:
    return vm.HasMMX, vm.HasSSE, vm.HasSSE2, vm.Has3DNow


@pytest.mark.parametrize(
    ("model", "more", "expected"),
    [
        ("486", "", (False, False, False, False)),
        ("pentium2", "", (True, False, False, False)),
        ("pentium3", "", (True, True, False, False)),
        ("qemu64", "", (True, True, True, False)),
        ("athlon", "", (True, True, True, True)),
        ("athlon", "<feature policy='disable' name='3dnow'/>", (True, True, True, False)),
        ("athlon", "<feature policy='forbid' name='sse2'/>", (True, True, False, True)),
        ("pentium3", "<feature policy='require' name='sse2'/>", (True, True, True, False)),
        ("486", "<feature policy='force' name='mmx'/>", (True, False, False, False)),
    ],
)
def test_a_named_cpu_has_what_libvirt_knows_of_it(
    vpcshim_node: NodeBuilder, model: str, more: str, expected: tuple[bool, ...]
) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    assert (
        features(with_cpu(node, f"<cpu mode='custom' match='exact'><model>{model}</model>{more}</cpu>")) == expected
    )


CAPABILITIES = """<capabilities><host><cpu><arch>x86_64</arch><model>pentium3</model><feature name='sse2'/></cpu>
</host></capabilities>"""
DOMAIN_CAPABILITIES = """<domainCapabilities><cpu><mode name='host-model' supported='yes'><model>athlon</model>
<feature policy='disable' name='sse2'/></mode></cpu></domainCapabilities>"""


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ("<cpu mode='host-passthrough'/>", (True, True, True, False)),
        ("<cpu mode='host-model'/>", (True, True, False, True)),
        ("<cpu mode='maximum'/>", (True, True, False, True)),
        ("<cpu match='minimum'><model>486</model></cpu>", (True, True, False, True)),
        (
            "<cpu match='exact'><model>486</model><feature policy='optional' name='mmx'/>"
            "<feature policy='optional' name='sse2'/></cpu>",
            (True, False, False, False),
        ),
    ],
)
def test_the_hosts_cpu_in_each_mode(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch, cpu: str, expected: tuple[bool, ...]
) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = with_cpu(node, cpu)
    # The test driver's host has no CPU model and no domain capabilities: mocks of the handle.
    monkeypatch.setattr(libvirt.virConnect, "getCapabilities", lambda *_: CAPABILITIES)
    monkeypatch.setattr(libvirt.virConnect, "getDomainCapabilities", lambda *_: DOMAIN_CAPABILITIES)
    assert features(vm) == expected


def test_nobody_guesses_at_a_cpu(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    for vm in (machine(node, "web"), with_cpu(node, "<cpu mode='host-passthrough'/>")):
        with pytest.raises(ComError) as caught:
            _ = vm.HasSSE2
        assert caught.value.scode == HRESULT.DISP_E_EXCEPTION


# -- automation ------------------------------------------------------------------------------------------------


def test_there_is_no_delay_but_none(vpcshim_node: NodeBuilder) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web")
    vm.AutoStartAtLaunchDelay = 0
    assert vm.AutoStartAtLaunchDelay == 0
    assert "0 can be set, not 5" in refused(vm, "AutoStartAtLaunchDelay", 5).description


def test_autostart_is_libvirts(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = machine(node, "web")
    key = "settings/startup/automatic/type"
    for value in (1, 0):
        vm.AutoStartAtLaunch = value
        assert vm.AutoStartAtLaunch == vm.GetConfigurationValue(key) == value
        with node.connection() as connect:
            assert connect.lookupByName("web").autostart() == value
    assert "libvirt-guests" in refused(vm, "AutoStartAtLaunch", 2).description
    assert vm.put_AutoStartAtLaunch(2) is HRESULT.E_FAIL
    for wrong in (-1, 3):
        assert refused(vm, "AutoStartAtLaunch", wrong).scode == HRESULT.E_INVALIDARG
    # The value has the same setter for the product that has no such property.
    machine(node, "web", VPC).SetConfigurationValue(key, 1)
    assert vm.AutoStartAtLaunch == 1


def test_an_account_is_a_label(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    # A mock: the test driver runs no processes. What libvirt makes of the label: the guests' tests.
    monkeypatch.setattr(account, "is_supported", lambda _: True)
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = machine(node, "web")
    assert "SetAccountNameAndPassword first" in refused(vm, "RunAsDefinedAccount", True).description
    vm.RunAsDefinedAccount = False
    vm.SetAccountNameAndPassword("daemon:bin", "not looked at")
    assert (vm.AccountName, vm.RunAsDefinedAccount) == ("daemon:bin", False)
    assert "seclabel" not in definition(node)
    assert "not looked at" not in definition(node)
    vm.RunAsDefinedAccount = True
    assert "<label>daemon:bin</label>" in definition(node)
    assert (vm.AccountName, vm.RunAsDefinedAccount) == ("daemon:bin", True)
    vm.SetAccountNameAndPassword("+1:+2", "")
    assert "<label>+1:+2</label>" in definition(node)
    vm.RunAsDefinedAccount = False
    assert "seclabel" not in definition(node)
    assert (vm.AccountName, vm.RunAsDefinedAccount) == ("+1:+2", False)
    vm.SetAccountNameAndPassword("", "")
    assert vm.AccountName == ""


def test_no_account_is_no_change_where_there_are_none(vpcshim_node: NodeBuilder) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web")
    vm.RunAsDefinedAccount = False
    assert vm.RunAsDefinedAccount is False
    assert "security model `dac`" in refused(vm, "RunAsDefinedAccount", True).description


def test_an_account_that_is_used_already_stays_as_it_was_defined(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "is_supported", lambda _: True)
    node = vpcshim_node(Machine("web", state="shutoff"))
    label = "<seclabel type='static' model='dac' relabel='no'><label>+1:+2</label></seclabel>"
    with node.connection() as connect:
        connect.defineXML(connect.lookupByName("web").XMLDesc().replace("</domain>", f"{label}</domain>"))
    before = definition(node)
    machine(node, "web").RunAsDefinedAccount = True
    assert definition(node) == before


@pytest.mark.parametrize("name", ["a b", "a:b:c", ":a", "a:", "CONTOSO\\a", "-a", "a\n", "+1", "nobody-has-this"])
def test_what_is_no_account(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(account, "is_supported", lambda _: True)
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = machine(node, "web")
    # The node is of this machine, which the test driver does not say of itself.
    monkeypatch.setattr(type(vm._server.connection), "is_local", property(lambda _: True))
    assert vm.raw_SetAccountNameAndPassword(name, "") is HRESULT.E_ACCESSDENIED
    assert vm.AccountName == ""
