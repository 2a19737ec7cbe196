"""The sweep of all machines answers what each accountant's own member answers in the same situation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from tests.unit.fakes import libvirt_error
from tests.unit.node import URI, Machine, Node, serve
from vpcshim.com.errors import ComError
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.com.object import outcome
from vpcshim.constants import VMVMState
from vpcshim.hypervisor.counters import Reading
from vpcshim.hypervisor.cpu import WINDOW
from vpcshim.hypervisor.domainxml import DomainXml
from vpcshim.hypervisor.errors import Unknowable
from vpcshim.model import sweep as model_sweep
from vpcshim.model.accountant import Accountant
from vpcshim.model.application import VirtualServer
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.sweep import COLUMNS, Account
from vpcshim.model.virtual_machine import VirtualMachine

pytestmark = pytest.mark.usefixtures("bounded")

LOST = libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "client socket is closed")
BUSY = libvirt_error(libvirt.VIR_ERR_OPERATION_TIMEOUT, message="cannot acquire state change lock")
NO_COUNTERS = libvirt_error(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, message="no counters here")
DENIED = libvirt_error(libvirt.VIR_ERR_OPERATION_DENIED, message="read only access")

RUNNING = {"vnet0": (10, 20)}
DRIVES = {"vda": (30, 40)}

SITUATIONS: dict[str, Machine] = {
    "running": Machine(1, nics={"vnet0": (10, 20), "vnet1": (1, 2)}, drives={"vda": (30, 40), "sda": (3, 4)}),
    "large": Machine(2, nics={"vnet0": (2**63 - 1, 2**63 - 1)} | {f"t{n}": (2**63 - 1, 0) for n in range(9)}),
    "no devices": Machine(3),
    "paused": Machine(4, libvirt.VIR_DOMAIN_PAUSED, nics=RUNNING, drives=DRIVES),
    "shutting down": Machine(5, libvirt.VIR_DOMAIN_SHUTDOWN, nics=RUNNING, drives=DRIVES),
    "suspended": Machine(6, libvirt.VIR_DOMAIN_PMSUSPENDED, nics=RUNNING, drives=DRIVES),
    "no state but on": Machine(7, libvirt.VIR_DOMAIN_NOSTATE, nics=RUNNING, drives=DRIVES),
    "no state and off": Machine(8, libvirt.VIR_DOMAIN_NOSTATE, on=False, nics=RUNNING, drives=DRIVES),
    "off": Machine(9, libvirt.VIR_DOMAIN_SHUTOFF, on=False, nics=RUNNING, drives=DRIVES),
    "saved": Machine(10, libvirt.VIR_DOMAIN_SHUTOFF, on=False, saved=True, nics=RUNNING, drives=DRIVES),
    "crashed": Machine(11, libvirt.VIR_DOMAIN_CRASHED, on=False, nics=RUNNING, drives=DRIVES),
    "crashed and preserved": Machine(12, libvirt.VIR_DOMAIN_CRASHED, nics=RUNNING, drives=DRIVES),
    "sent is not counted": Machine(13, nics={"vnet0": (10, -1)}, drives={"vda": (30, -1)}),
    "a NIC without counters": Machine(14, nics={"vnet0": (10, 20), "net7": NO_COUNTERS}, drives=DRIVES),
    "a drive without counters": Machine(15, nics=RUNNING, drives={"vda": (30, 40), "vdb": NO_COUNTERS}),
    "a NIC without a name": Machine(16, nics=RUNNING, extra="<interface type='user'/>"),
    "a floppy": Machine(17, extra="<disk type='file' device='floppy'><target dev='fda'/></disk>", drives=DRIVES),
    "a drive that is busy": Machine(19, nics=RUNNING, drives={"vda": BUSY}),
    "a NIC that is refused": Machine(20, nics={"vnet0": DENIED}, drives={"vda": DENIED}),
    "busy": Machine(21, xml_error=BUSY),
    "broken": Machine(22, xml_error=libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, message="broken")),
    "bad XML": Machine(23, nics=RUNNING, extra="<interface type='bridge'>"),
    "gone": Machine(24, gone=True),
}

OPTIONS = {
    "default": ConnectionOptions(URI),
    "skip": ConnectionOptions(URI, unreadable_nics="skip"),
    "raw": ConnectionOptions(URI, raw_counters=True),
    "fresh": ConnectionOptions(URI, freshness=60),
}


def application(node: Node, monkeypatch: pytest.MonkeyPatch, options: ConnectionOptions) -> VirtualServer:
    server = serve(node, monkeypatch)
    made = VirtualServer(options)
    assert made._server is server
    return made


def check(account: Account, app: VirtualServer) -> None:
    """The account's outcomes are the members' own: code, value and type; and both say why if they failed."""
    identity = (Product.VIRTUAL_SERVER, app._server, app._options, account.uuid)
    own = outcome(VirtualMachine(*identity), "State")
    assert (account.state.code, account.state.value) == (own.code, own.value)
    accountant = Accountant(*identity)
    assert list(account.values) == list(COLUMNS)
    for column, got in account.values.items():
        own = outcome(accountant, column)
        assert (column, got.code, got.value) == (column, own.code, own.value)
        assert type(got.value) is type(own.value)
        assert bool(got.description) == bool(own.description)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_all_situations_at_once(options: ConnectionOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    app = application(Node(*SITUATIONS.values()), monkeypatch, options)
    accounts = model_sweep.sweep_all(app)
    assert {account.uuid for account in accounts} == {one.uuid for one in SITUATIONS.values() if not one.gone}
    for account in accounts:
        check(account, app)


@pytest.mark.parametrize("name", [name for name, machine in SITUATIONS.items() if not machine.gone])
def test_each_situation_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = SITUATIONS[name]
    app = application(Node(machine), monkeypatch, OPTIONS["default"])
    (account,) = model_sweep.sweep_all(app)
    check(account, app)
    assert account.name == machine.name()


def test_a_machine_whose_nics_alone_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    app = application(Node(Machine(18, nics={"vnet0": BUSY}, drives=DRIVES)), monkeypatch, OPTIONS["default"])
    (account,) = model_sweep.sweep_all(app)
    check(account, app)


def test_what_some_of_them_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """In numbers: two sides that are wrong alike would agree."""
    app = application(Node(*SITUATIONS.values()), monkeypatch, OPTIONS["default"])
    found = {account.uuid: account for account in model_sweep.sweep_all(app)}
    accounts = {name: found[machine.uuid] for name, machine in SITUATIONS.items() if not machine.gone}
    running = accounts["running"]
    assert running.state.value == VMVMState.vmVMState_Running
    assert [int(running.values[name].value) for name in COLUMNS[:4]] == [22, 11, 33, 44]
    assert COLUMNS[:4] == ("NetworkBytesSent", "NetworkBytesReceived", "DiskBytesRead", "DiskBytesWritten")
    assert running.values["CPUUtilization"].value == 1
    assert accounts["large"].values["NetworkBytesReceived"].value == 10 * (2**63 - 1)
    assert accounts["saved"].state.value == VMVMState.vmVMState_Saved
    for name in ("off", "saved", "crashed", "no state and off", "crashed and preserved"):
        assert {one.code for one in accounts[name].values.values()} == {HRESULT.S_FALSE}
        assert not accounts[name].unreadable
        assert accounts[name].nics is None
    for name in ("sent is not counted", "a NIC without counters", "busy", "bad XML"):
        assert accounts[name].unreadable
    assert accounts["sent is not counted"].values["NetworkBytesReceived"].value == 10
    assert accounts["sent is not counted"].values["NetworkBytesSent"].code is HRESULT.DISP_E_EXCEPTION
    assert isinstance(running.nics, Reading)


@pytest.mark.parametrize("trouble", [LOST, DENIED, BUSY], ids=["lost", "denied", "busy"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_server_in_trouble_is_no_empty_list(
    options: ConnectionOptions, trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(*SITUATIONS.values())
    app = application(node, monkeypatch, options)
    node.trouble = trouble
    with pytest.raises(ComError, match=str(trouble)):
        model_sweep.sweep_all(app)


def test_trouble_with_the_drives_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(Machine(1, nics=RUNNING, drives=DRIVES))
    app = application(node, monkeypatch, OPTIONS["default"])
    node.block_trouble = BUSY
    (account,) = model_sweep.sweep_all(app)
    assert account.values["NetworkBytesSent"].value == 20
    assert account.values["DiskBytesRead"].code is HRESULT.DISP_E_EXCEPTION
    assert "state change lock" in account.values["DiskBytesRead"].description


def test_what_is_not_wanted_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(Machine(1, nics=RUNNING, drives=DRIVES), Machine(2, nics=RUNNING, drives=DRIVES))
    app = application(node, monkeypatch, OPTIONS["default"])
    node.block_trouble = BUSY
    (account,) = model_sweep.sweep(app, ["NetworkBytesSent"], ["M1"]).accounts
    assert (account.name, list(account.values)) == ("m1", ["NetworkBytesSent"])
    assert not account.unreadable
    assert node.sweeps == 1
    assert model_sweep.sweep(app, ["NetworkBytesSent"], ["none"]) == ([], ["none"])


def test_a_machine_that_stops_before_its_drives_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(Machine(1, nics=RUNNING, drives=DRIVES), Machine(2, nics=RUNNING, drives=DRIVES))
    server = serve(node, monkeypatch)
    found = server.sweep().machines
    node.machines[0].on, node.machines[0].state = False, libvirt.VIR_DOMAIN_SHUTOFF
    swept = server.sweep_disks(list(found.values()))
    assert swept[node.machines[0].uuid] is None
    assert isinstance(swept[node.machines[1].uuid], Reading)


# -- a machine that stops, or is started anew, while it is asked ------------------------------------------------


OVER = Unknowable("the start of m1 is not known")


def stops(machine: Machine) -> None:
    machine.on, machine.state = False, libvirt.VIR_DOMAIN_SHUTOFF


def starts_anew(machine: Machine) -> None:
    machine.run = 77


@pytest.mark.parametrize("column", ["CPUUtilization", "CPUUtilizationHistory", "UpTime"])
@pytest.mark.parametrize(
    ("happens", "told"),
    [(stops, HRESULT.S_FALSE), (starts_anew, HRESULT.S_OK), (None, HRESULT.DISP_E_EXCEPTION)],
    ids=["stops", "starts anew", "nothing"],
)
def test_what_happens_while_it_is_asked(
    column: str,
    happens: Callable[[Machine], None] | None,
    told: HRESULT,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What cannot be read of a run that is over meanwhile is no error: the machine is off, or in another run."""
    machine = Machine(1)
    app = application(Node(machine), monkeypatch, OPTIONS["default"])

    def read(*of: Any) -> Any:
        run = of[-1].id if isinstance(of[-1], DomainXml) else of[-1]
        if run == 77:
            return (7,) * WINDOW if column == "CPUUtilizationHistory" else 7
        if happens is not None:
            happens(machine)
        raise OVER

    for where, name in ((app._server.cpu, "percent"), (app._server.cpu, "history"), (app._server, "uptime")):
        monkeypatch.setattr(where, name, read)
    if column in COLUMNS:
        (account,) = model_sweep.sweep(app, [column]).accounts
        swept = account.values[column]
        assert (swept.code, swept.value) == (told, {HRESULT.S_FALSE: 0, HRESULT.S_OK: 7}.get(told))
        machine.on, machine.state, machine.run = True, libvirt.VIR_DOMAIN_RUNNING, 1
    own = outcome(Accountant(Product.VIRTUAL_SERVER, app._server, app._options, machine.uuid), column)
    assert own.code is told


@pytest.mark.parametrize("reason", [libvirt.VIR_DOMAIN_PAUSED_STARTING_UP, libvirt.VIR_DOMAIN_PAUSED_MIGRATION])
def test_a_restore_that_ends_before_the_saved_machines_are_listed(
    reason: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(1, libvirt.VIR_DOMAIN_PAUSED, saved=True, reason=reason)
    node = Node(machine)
    app = application(node, monkeypatch, OPTIONS["default"])

    def ended(_flags: int = 0) -> list[Any]:
        machine.state, machine.reason, machine.saved = libvirt.VIR_DOMAIN_RUNNING, 1, False
        return []

    monkeypatch.setattr(node, "listAllDomains", ended)
    (account,) = model_sweep.sweep(app, ["UpTime"]).accounts
    assert account.state.value is VMVMState.vmVMState_Running
