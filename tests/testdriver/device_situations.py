"""The situations of the decision table for devices, networks and the host: as in `situations`, of a richer node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt

from tests.testdriver.situations import Bench
from tests.testdriver.support import VS, application, find
from vpcshim.com.object import ComObject
from vpcshim.hypervisor.usb import UsbDevice
from vpcshim.model.devices.network_adapter import NetworkAdapterObject
from vpcshim.model.devices.usb_device import USBDevice
from vpcshim.model.devices.virtual_network import NetworkObject
from vpcshim.testing import Machine
from vpcshim.testing.machines import Nic, State

# Objects of whatever situation is made: a row's arguments are there before that is.
LAB: NetworkObject = object.__new__(NetworkObject)
ADAPTER: NetworkAdapterObject = object.__new__(NetworkAdapterObject)
STICK: USBDevice = object.__new__(USBDevice)
for _object in (LAB, ADAPTER, STICK):
    _object._product_ = VS  # a row shows its arguments before they are anything

_STICK = UsbDevice("usb_1_2", 1, 2, 2, "Stick", "Acme", 0x5678, 0x1234, 8)
_LOOKUPS = (
    *("lookupByUUIDString", "listAllDomains", "getInfo", "listAllNetworks", "networkLookupByUUIDString"),
    *("networkLookupByName", "listAllDevices", "getCapabilities", "getFreeMemory", "getType", "getVersion"),
    *("getLibVersion", "getMemoryStats"),
)
_OBJECTS: dict[str, Callable[[Any, Any], ComObject]] = {
    "IVMVirtualServer": lambda app, _: app,
    "IVMVirtualPC": lambda app, _: app,
    "IVMVirtualMachine": lambda _, vm: vm,
    "IVMNetworkAdapter": lambda _, vm: vm.NetworkAdapters(1),
    "IVMNetworkAdapterCollection": lambda _, vm: vm.NetworkAdapters,
    "IVMVirtualNetwork": lambda app, _: app.FindVirtualNetwork("lab"),
    "IVMVirtualNetworkCollection": lambda app, _: app.VirtualNetworks,
    "IVMDHCPVirtualNetworkServer": lambda app, _: app.FindVirtualNetwork("lab").DHCPVirtualNetworkServer,
    "IVMHostInfo": lambda app, _: app.HostInfo,
    "IVMSupportDriver": lambda app, _: app.SupportDrivers(1),
    "IVMSupportDriverCollection": lambda app, _: app.SupportDrivers,
    "IVMUSBDevice": lambda *_: STICK,
    "IVMUSBDeviceCollection": lambda app, _: app.USBDeviceCollection,
    "IVMGuestOS": lambda _, vm: vm.GuestOS,
    "IVMKeyboard": lambda _, vm: vm.Keyboard,
    "IVMDisplay": lambda _, vm: vm.Display,
    "IVMSerialPort": lambda _, vm: vm.SerialPorts(1),
    "IVMSerialPortCollection": lambda _, vm: vm.SerialPorts,
    "IVMParallelPort": lambda _, vm: vm.ParallelPorts(1),
    "IVMParallelPortCollection": lambda _, vm: vm.ParallelPorts,
}


def made(bench: Bench, state: State = "running", nics: tuple[Nic, ...] | None = None) -> ComObject:
    """The object asked for; web has a card in the network lab, one in a bridge, and one that leads nowhere."""
    folder = bench.folder / "c"
    folder.mkdir(exist_ok=True)
    bench.patch.setenv("VPCSHIM_DRIVES", f"C:={folder}")
    bench.patch.setenv("XDG_DATA_HOME", str(bench.folder / "data"))
    nics = nics or (Nic("network", "lab"), Nic("bridge", "br0"), Nic("ethernet"))
    bench.made = bench.nodes(Machine("web", state=state, nics=nics), Machine("other", nics=0), networks=("lab",))
    app = application(bench.made, bench.product)
    vm = find(app, "web")
    LAB.__dict__.update(app.FindVirtualNetwork("lab").__dict__)
    ADAPTER.__dict__.update(vm.NetworkAdapters(1).__dict__)
    STICK.__dict__.update(app.__dict__, _device=_STICK)
    return _OBJECTS[bench.interface](app, vm)


def running(bench: Bench) -> ComObject:
    """web runs."""
    return made(bench)


def told_memory(bench: Bench) -> ComObject:
    """The host tells how much memory it has left, which the test driver's does not; a mock of the handle."""
    obj = made(bench)
    stats = {"total": 4 << 20, "free": 1 << 20, "buffers": 1024, "cached": 2048}
    bench.patch.setattr(libvirt.virConnect, "getMemoryStats", lambda *_: stats)
    return obj


def off(bench: Bench) -> ComObject:
    """web is off."""
    return made(bench, "shutoff")


def saved(bench: Bench) -> ComObject:
    """web is off with a saved state."""
    return made(bench, "saved")


def paused(bench: Bench) -> ComObject:
    """web is paused."""
    return made(bench, "paused")


def full(bench: Bench) -> ComObject:
    """web is off and has four adapters."""
    return made(bench, "shutoff", (Nic(),) * 4)


def in_a_bridge(bench: Bench) -> ComObject:
    """web is off; its first adapter is in a bridge."""
    return made(bench, "shutoff", (Nic("bridge", "br0"),))


def leading_nowhere(bench: Bench) -> ComObject:
    """web is off; its first adapter leads nowhere."""
    return made(bench, "shutoff", (Nic("ethernet"),))


def undefined(bench: Bench) -> ComObject:
    """web is undefined by somebody else, while we hold objects of it."""
    obj = made(bench, "shutoff")
    assert bench.made is not None
    with bench.made.connection() as connect:
        connect.lookupByName("web").undefine()
    return obj


def network_gone(bench: Bench) -> ComObject:
    """The network is removed by somebody else, while we hold objects of it."""
    obj = made(bench, "shutoff")
    assert bench.made is not None
    with bench.made.connection() as connect:
        network = connect.networkLookupByName("lab")
        network.destroy()
        network.undefine()
    return obj


def static_address(bench: Bench) -> ComObject:
    """web is off, and the address of its adapter was chosen."""
    obj = made(bench, "shutoff")
    obj.IsEthernetAddressDynamic = False
    return obj


def dead(bench: Bench) -> ComObject:
    """The daemon has died under the connection."""
    obj = made(bench)
    bench.raises(libvirt.virConnect, _LOOKUPS, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC)
    return obj


def updatable(bench: Bench) -> ComObject:
    """web runs under a driver that changes its devices (a mock: the test driver does not)."""
    obj = made(bench)
    bench.patch.setattr(libvirt.virDomain, "updateDeviceFlags", lambda *_: 0)
    return obj


def refused_update(bench: Bench) -> ComObject:
    """web runs, and the daemon lets us read only."""
    obj = made(bench)
    bench.raises(libvirt.virDomain, ("updateDeviceFlags",), libvirt.VIR_ERR_ACCESS_DENIED, libvirt.VIR_FROM_ACCESS)
    return obj


def _network(bench: Bench, xml: str) -> ComObject:
    """The network lab is another one, not in use by anybody."""
    made(bench, "shutoff")
    assert bench.made is not None
    with bench.made.connection() as connect:
        old = connect.networkLookupByName("lab")
        uuid = old.UUIDString()
        old.destroy()
        old.undefine()
        connect.networkDefineXML(f"<network><name>lab</name><uuid>{uuid}</uuid>{xml}</network>").create()
    app = application(bench.made, bench.product)
    return _OBJECTS[bench.interface](app, find(app, "web"))


def with_addresses(bench: Bench) -> ComObject:
    """The network lab has addresses, and hands some out."""
    return _network(
        bench,
        "<forward mode='nat'/><bridge name='virbr7'/><ip address='10.9.0.1' netmask='255.255.255.0'>"
        "<dhcp><range start='10.9.0.16' end='10.9.0.99'/></dhcp></ip>",
    )


def bridged(bench: Bench) -> ComObject:
    """The network lab is part of the host's, through a device that the host does not have."""
    return _network(bench, "<forward mode='bridge'><interface dev='eth77'/></forward>")


def own_file(bench: Bench) -> ComObject:
    """The network lab is off and has a .vnc file."""
    return _network(
        bench,
        f"<metadata><v:network xmlns:v='urn:vpcshim:network:1' file='{bench.folder}/c/lab.vnc'/></metadata>",
    )


def files(bench: Bench) -> ComObject:
    """In drive C: there are .vnc files: kept.vnc of a network, odd.vnc of something else."""
    obj = made(bench)
    (bench.folder / "c" / "kept.vnc").write_text("<network><name>x</name></network>")
    (bench.folder / "c" / "odd.vnc").write_text("<preferences/>")
    (bench.folder / "c" / "plain").write_text("a file, not a folder")
    return obj


_AGENT = {"os.id": "mswindows", "os.pretty-name": "Windows 10", "os.kernel-version": "10.0", "os.version": "W10"}


def with_agent(bench: Bench) -> ComObject:
    """web runs, with a guest agent that answers (mocks of the handle: the test driver has no agents)."""
    obj = _changed(
        bench,
        "</devices>",
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>"
        "</devices>",
    )
    told = {**_AGENT, "os.kernel-release": "19045"}
    bench.patch.setattr(libvirt.virDomain, "guestInfo", lambda *_: told)
    bench.patch.setattr(libvirt.virDomain, "hostname", lambda *_: "WEB")
    bench.patch.setattr(libvirt.virDomain, "getTime", lambda *_: {"seconds": 0, "nseconds": 0})
    return obj


def with_agent_paused(bench: Bench) -> ComObject:
    """The same, paused."""
    obj = with_agent(bench)
    bench.patch.setattr(libvirt.virDomain, "state", lambda *_: [libvirt.VIR_DOMAIN_PAUSED, 0])
    return obj


def _changed(bench: Bench, old: str, new: str) -> ComObject:
    """web runs, and its XML says something more (a mock of the handle where the driver would drop it)."""
    obj = made(bench)
    honest = libvirt.virDomain.XMLDesc

    def more(domain: libvirt.virDomain, flags: int = 0) -> str:
        text = str(honest(domain, flags))
        return text.replace(old, new, 1) if domain.name() == "web" else text

    bench.patch.setattr(libvirt.virDomain, "XMLDesc", more)
    return obj


_HOSTDEV = "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev></devices>"


def has_stick(bench: Bench) -> ComObject:
    """web runs and has the stick, and gives it back (mocks of the handle: the test driver plugs nothing)."""
    obj = _changed(bench, "</devices>", _HOSTDEV)
    bench.patch.setattr(libvirt.virDomain, "detachDeviceFlags", lambda *_: 0)
    return obj


def takes_stick(bench: Bench) -> ComObject:
    """web runs and takes the stick (a mock likewise)."""
    obj = made(bench)
    bench.patch.setattr(libvirt.virDomain, "attachDeviceFlags", lambda *_: 0)
    return obj
