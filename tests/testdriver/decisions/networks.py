"""The answers of the virtual networks and their DHCP servers."""

from __future__ import annotations

from decimal import Decimal

from tests.testdriver import device_situations as at
from tests.testdriver.decision_table import ANY, BOTH, E_FAIL, EXCEPTION, S_FALSE, S_OK, never, rows
from tests.testdriver.device_situations import LAB
from tests.testdriver.support import VPC, VS
from vpcshim import HRESULT

_INVALID = HRESULT.E_INVALIDARG
_DEFERRED = "it asks nobody: what is handed out asks the server when it is used"
_SETTER = "of the setter alone: test_networks.py"
_DEAD = (at.dead, EXCEPTION)

for _products, _app in (((VS,), "IVMVirtualServer"), ((VPC,), "IVMVirtualPC")):
    rows(_products, _app, "VirtualNetworks UnconnectedNetworkAdapters", (at.running, S_OK))
    never(_products, _app, "VirtualNetworks UnconnectedNetworkAdapters", "DISP_E_EXCEPTION", _DEFERRED)
    rows(
        _products,
        _app,
        "FindVirtualNetwork",
        (at.running, S_OK, ANY, ("LAB",)),
        (at.running, S_FALSE, None, ("nobody",)),
        (at.running, _INVALID, ANY, ("",)),
        (at.dead, EXCEPTION, ANY, ("lab",)),
    )
    never(_products, _app, "FindVirtualNetwork", "E_FILE_NOT_FOUND", "libvirt keeps the networks, not their files")

_V = "IVMVirtualServer"
_TWICE = HRESULT.VM_E_CONFIG_DUPLICATE_NAME
_CHARACTER = HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR
for _member in ("CreateVirtualNetwork", "RegisterVirtualNetwork"):
    rows(
        (VS,),
        _V,
        _member,
        (at.files, _INVALID, ANY, ("", "C:\\")),
        (at.files, _INVALID, ANY, ("x" * 257, "C:\\")),
        (at.files, _CHARACTER, ANY, ("a/b", "C:\\")),
        (at.files, _TWICE, ANY, ("LAB", "C:\\")),
        (at.files, HRESULT.E_PATH_NOT_FOUND, ANY, ("kept", "Q:\\")),
        (at.files, HRESULT.E_INVALID_NAME, ANY, ("kept", "C:\\a?")),
        (at.files, HRESULT.E_BAD_PATHNAME, ANY, ("kept", "folder")),
        (at.files, HRESULT.E_BUFFER_OVERFLOW, ANY, ("kept", "C:\\" + "x" * 260)),
        (at.dead, EXCEPTION, ANY, ("new", "C:\\")),
    )
rows(
    (VS,),
    _V,
    "CreateVirtualNetwork",
    (at.files, S_OK, ANY, ("new", "C:\\new folder")),
    (at.files, S_OK, ANY, ("new", "")),
    (at.files, HRESULT.E_ALREADY_EXISTS, ANY, ("kept", "C:\\")),
    (at.files, HRESULT.E_PATH_NOT_FOUND, ANY, ("new", "C:\\plain")),
)
rows(
    (VS,),
    _V,
    "RegisterVirtualNetwork",
    (at.files, S_OK, ANY, ("kept", "C:\\")),
    (at.files, S_OK, ANY, ("kept.vnc", "C:\\")),
    (at.files, _INVALID, ANY, ("odd", "C:\\")),
    (at.files, HRESULT.E_PATH_NOT_FOUND, ANY, ("kept", "")),
    (at.files, HRESULT.E_FILE_NOT_FOUND, ANY, ("new", "C:\\")),
    (at.files, HRESULT.E_PATH_NOT_FOUND, ANY, ("new", "C:\\nowhere")),
)
for _member in ("DeleteVirtualNetwork", "UnregisterVirtualNetwork"):
    rows(
        (VS,),
        _V,
        _member,
        (at.own_file, S_OK, ANY, (LAB,)),
        (at.network_gone, S_FALSE, ANY, (LAB,)),
        (at.running, EXCEPTION, ANY, (LAB,)),
        (at.dead, EXCEPTION, ANY, (LAB,)),
    )
rows((VS,), _V, "DeleteVirtualNetwork", (at.off, S_OK, ANY, (LAB,)))
rows((VS,), _V, "UnregisterVirtualNetwork", (at.off, EXCEPTION, ANY, (LAB,)))

_C = "IVMVirtualNetworkCollection"
rows(BOTH, _C, "Count", (at.running, S_OK, 1), _DEAD)
rows(BOTH, _C, "Item", (at.running, S_OK), (at.running, HRESULT.DISP_E_BADINDEX, ANY, (2,)), _DEAD)
rows(BOTH, _C, "_NewEnum", (at.running, S_OK), _DEAD)
never((VS,), _C, "Item", "S_FALSE", "an index in range has a network")

_N = "IVMVirtualNetwork"
rows(BOTH, _N, "_ID", (at.running, S_OK), (at.dead, S_OK))
never(BOTH, _N, "_ID", "DISP_E_EXCEPTION", "it is what the object knows its network by")
rows(BOTH, _N, "Name", (at.running, S_OK, "lab"), _DEAD, (at.network_gone, EXCEPTION))
rows(BOTH, _N, "NetworkAdapters", (at.running, S_OK))
never(BOTH, _N, "NetworkAdapters", "DISP_E_EXCEPTION", _DEFERRED)
rows(
    BOTH,
    _N,
    "HostAdapter",
    (at.running, S_OK, ""),
    (at.with_addresses, S_OK, ""),
    (at.bridged, HRESULT.VM_E_ADAPTER_NOT_FOUND),
    _DEAD,
)
rows((VS,), _N, "Notes", (at.running, S_OK, ""), _DEAD)
never((VS,), _N, "Name Notes", "E_INVALIDARG", _SETTER)
rows((VS,), _N, "File", (at.own_file, S_OK, "C:\\lab.vnc"), (at.running, EXCEPTION), _DEAD)
rows((VS,), _N, "DHCPVirtualNetworkServer", (at.running, S_OK), (at.bridged, E_FAIL), _DEAD)
for _rate in ("BytesSent", "BytesReceived", "PacketsSent", "PacketsReceived", "PacketsDropped"):
    rows((VS,), _N, f"{_rate} {_rate}History", (at.running, S_OK), _DEAD)

_D = "IVMDHCPVirtualNetworkServer"
_SET_UP = ("10.1.0.0", "255.255.255.0", "10.1.0.16", "10.1.0.200", "10.1.0.1")


def _but(place: int, text: str) -> tuple[str, ...]:
    return (*_SET_UP[:place], text, *_SET_UP[place + 1 :])


rows(
    (VS,),
    _D,
    "ConfigureDHCPServer",
    (at.off, S_OK, ANY, _SET_UP),
    (at.running, EXCEPTION, ANY, _SET_UP),  # a running machine would be cut off
    (at.off, HRESULT.VM_E_INVALID_NETWORK_ADDRESS, ANY, _but(0, "10.1.0")),
    (at.off, HRESULT.VM_E_INVALID_NETWORK_ADDRESS, ANY, _but(0, "10.1.0.7")),
    (at.off, HRESULT.VM_E_INVALID_NETWORK_MASK, ANY, _but(1, "255.0.255.0")),
    (at.off, HRESULT.VM_E_INVALID_NETWORK_MASK, ANY, _but(1, "255.255.255.240")),
    (at.off, HRESULT.VM_E_INVALID_STARTING_ADDRESS, ANY, _but(2, "10.1.0.15")),
    (at.off, HRESULT.VM_E_INVALID_STARTING_ADDRESS, ANY, _but(2, "here")),
    (at.off, HRESULT.VM_E_INVALID_ENDING_ADDRESS, ANY, _but(3, "10.1.0.255")),
    (at.off, HRESULT.VM_E_INVALID_ENDING_ADDRESS, ANY, _but(3, "10.2.0.200")),
    (at.off, HRESULT.VM_E_INVALID_ADDRESS_RANGE, ANY, _but(2, "10.1.0.201")),
    (at.off, HRESULT.VM_E_INVALID_IP_ADDRESS, ANY, _but(4, "10.1.0.16")),
    (at.off, HRESULT.VM_E_INVALID_IP_ADDRESS, ANY, _but(4, "")),
)
never((VS,), _D, "ConfigureDHCPServer", "E_INVALIDARG", "each argument that is wrong has a code of its own")
_TIMES = (Decimal(600), Decimal(100), Decimal(300))
rows(
    (VS,),
    _D,
    "ConfigureDHCPLeaseTimes",
    (at.with_addresses, _INVALID, ANY, (Decimal(600), Decimal(300), Decimal(100))),
    (at.with_addresses, _INVALID, ANY, (Decimal(90), Decimal(30), Decimal(60))),
    (at.with_addresses, _INVALID, ANY, (Decimal("600.5"), Decimal(100), Decimal(300))),
    (at.with_addresses, HRESULT.DISP_E_OVERFLOW, ANY, (Decimal(2**32), Decimal(100), Decimal(300))),
    (at.with_addresses, EXCEPTION, ANY, _TIMES),  # the test driver hands no options through
)
never((VS,), _D, "ConfigureDHCPLeaseTimes", "S_OK", "the test driver hands no options through: tests/guests")
never((VS,), _D, "ConfigureDHCPLeaseTimes", "DISP_E_BADVARTYPE", "other types are converted to VT_DECIMAL")
for _member, _value in (
    ("IsEnabled", True),
    ("Network", "10.9.0.0"),
    ("NetworkMask", "255.255.255.0"),
    ("StartingIPAddress", "10.9.0.16"),
    ("EndingIPAddress", "10.9.0.99"),
    ("ServerIPAddress", "10.9.0.1"),
    ("LeaseTime", Decimal(3600)),
    ("LeaseRenewalTime", Decimal(1800)),
    ("LeaseRebindingTime", Decimal(3150)),
    ("DefaultGatewayAddress", "10.9.0.1"),
    ("DNSServers", "10.9.0.1"),
    ("WINSServers", ""),
):
    rows((VS,), _D, _member, (at.with_addresses, S_OK, _value), _DEAD)
never((VS,), _D, "DefaultGatewayAddress DNSServers WINSServers", "VM_E_INVALID_IP_ADDRESS", _SETTER)
never((VS,), _D, "DNSServers WINSServers", "E_INVALIDARG", "a wrong list is one of wrong addresses")
