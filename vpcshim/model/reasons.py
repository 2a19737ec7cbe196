"""Why libvirt has no counterpart of what several objects declare."""

from __future__ import annotations

NO_VMRC = (
    "VMRC is one server of Virtual Server's own for all machines; libvirt's machines have a VNC or SPICE server "
    "each, with its own address, port and encryption (<graphics> in the domain's XML), and none speaks VMRC"
)
NO_ACCESS_LISTS = (
    "libvirt keeps no list of users and rights for a server, domain or network: who may do what is decided by "
    "polkit's rules and by who may connect, which cannot be read or written through libvirt"
)
