"""The host's network devices: from the host itself where this is it, else from libvirt's node devices.

Sources: if_nameindex(3), netdevice(7), libvirt.org/formatnode.html (capability net).
"""

from __future__ import annotations

import fcntl
import socket
import struct
from array import array
from pathlib import Path

import libvirt

from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import Unknowable

_SYS = Path("/sys/class/net")
_SIOCGIFCONF = 0x8912
_IFCONF = struct.Struct("@iP")  # length, buffer
_IFREQ = 16 + struct.calcsize("@LLHBBB3x")  # IFNAMSIZ, and a union of which ifmap is the largest
_TAPS = ("vnet", "macvtap", "tap", "macvlan")


def here(connection: Connection) -> bool:
    """Whether the host that libvirt tells of is this machine (the test driver tells of one that does not exist)."""
    with connection.calls():
        return connection.is_local and not connection.is_embedded


def names(connect: libvirt.virConnect, *, local: bool) -> list[str]:
    """The names of the host's network devices, without the loopback device and the guests' own taps.

    Raises:
        libvirt.libvirtError: libvirt has no node devices on this connection.
    """
    if local:
        found = [name for _, name in socket.if_nameindex()]
    else:
        devices = connect.listAllDevices(libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET)
        found = []
        for device in devices:
            name = parse_element(device.XMLDesc()).findtext("capability[@type='net']/interface")
            if name:
                found.append(name)
    return sorted(name for name in found if name != "lo" and not name.startswith(_TAPS))


def is_bridge(name: str, *, local: bool) -> bool:
    """Whether that device of the host is a bridge.

    Raises:
        Unknowable: libvirt does not tell it of another host.
    """
    if not local:
        raise Unknowable(f"libvirt does not tell of another host whether its device {name} is a bridge")
    return (_SYS / name / "bridge").is_dir()


def addresses() -> list[str]:
    """The IPv4 addresses of this host, without the loopback device's."""
    size = 64 * _IFREQ
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        while True:
            found = array("B", bytes(size))
            where, length = found.buffer_info()
            used, _ = _IFCONF.unpack(fcntl.ioctl(asked, _SIOCGIFCONF, _IFCONF.pack(length, where)))
            if used + _IFREQ <= length:
                break
            size *= 2  # the kernel leaves out what finds no room
    entries = [found[at : at + _IFREQ].tobytes() for at in range(0, used, _IFREQ)]
    return [socket.inet_ntoa(entry[20:24]) for entry in entries if not entry.startswith((b"lo\0", b"lo:"))]
