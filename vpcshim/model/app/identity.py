"""What the application is: its name, its version, how long its service runs."""

from __future__ import annotations

import time
from pathlib import Path

from vpcshim.com.declare import propget
from vpcshim.com.variant import VT
from vpcshim.hypervisor import processes
from vpcshim.hypervisor.errors import Unknowable
from vpcshim.model import capacity
from vpcshim.model.base import ModelObject

# The server whose daemon's pid file is known; a socket named in a URI may belong to any other daemon.
_SYSTEM = "qemu:///system"
_DAEMONS = frozenset(("libvirtd", "virtqemud"))
_DAEMON_PID_FILES = (Path("/run/libvirt/virtqemud.pid"), Path("/run/virtqemud.pid"), Path("/run/libvirtd.pid"))


class Identity(ModelObject):
    """Name, Version, ProductID, UpTime, AvailableSystemCapacity."""

    _NAME = ""
    _VERSION = ""

    @propget(vs=0x6002004E, vpc=0x60020026, vt=VT.BSTR)
    def Name(self) -> str:
        """The product whose model is served."""
        return self._NAME

    @propget(vs=0x6002004F, vpc=0x60020027, vt=VT.BSTR)
    def Version(self) -> str:
        """The version of the product whose model is served (vpcshim's own is `vpcshim.__version__`)."""
        return self._VERSION

    @propget(
        vs=0x60020050,
        vt=VT.BSTR,
        unavailable="it numbers a licensed copy of the product, and there is no licence to number: libvirt is free "
        "software, and so is vpcshim",
    )
    def ProductID(self) -> str:
        """The number of the licensed copy of the product."""
        raise NotImplementedError

    @propget(vs=0x60020051, vpc=0x60020028, vt=VT.I4)
    def UpTime(self) -> int:
        """Seconds since the service was started: libvirt's daemon on this machine.

        For a driver inside this process they are counted from the first application object. libvirt does not
        tell it: it is known of the daemon of qemu:///system only, whose process can be seen from here.
        """
        connection = self._server.connection
        with connection.calls():
            if connection.is_embedded:
                return int(time.monotonic() - self._server.since)
        if connection.uri == _SYSTEM:
            for file in _DAEMON_PID_FILES:
                age = processes.age_of_pid_file(file, programs=_DAEMONS)
                if age is not None:
                    return int(age)
        raise Unknowable(
            f"nothing says when the daemon of {connection.label} was started: libvirt does not tell it"
        )

    @propget(vs=0x60020052, vt=VT.R8)
    def AvailableSystemCapacity(self) -> float:
        """Percent of the host's CPU capacity that running machines have not reserved."""
        with self._server.connection.calls() as connect:
            return capacity.available(connect)
