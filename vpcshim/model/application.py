"""IVMVirtualServer and IVMVirtualPC: the applications that scripts create.

Sources: the IVMVirtualServer and IVMVirtualPC pages of the references.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal, overload

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure, com_error
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import S_FALSE, Product, SFalse
from vpcshim.com.variant import VT
from vpcshim.hypervisor import processes
from vpcshim.hypervisor.connection import DEFAULT_TIMEOUT
from vpcshim.hypervisor.errors import Unknowable
from vpcshim.model import capacity
from vpcshim.model.base import ModelObject
from vpcshim.model.names import uuid_of
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.server import server as server_of
from vpcshim.model.virtual_machine import VirtualMachine, VirtualMachineCollection

# The server whose daemon's pid file is known; a socket named in a URI may belong to any other daemon.
_SYSTEM = "qemu:///system"
_DAEMONS = frozenset(("libvirtd", "virtqemud"))
_DAEMON_PID_FILES = (Path("/run/libvirt/virtqemud.pid"), Path("/run/virtqemud.pid"), Path("/run/libvirtd.pid"))


class Application(ModelObject):
    """What both products' applications have in common."""

    _NAME = ""
    _VERSION = ""

    def __init__(self, options: ConnectionOptions) -> None:
        uri = options.uri or os.environ.get("VPCSHIM_URI") or None
        super().__init__(self._PRODUCT, server_of(uri, options.timeout), options)

    _PRODUCT: Product

    @propget(vs=0x6002004E, vpc=0x60020026, vt=VT.BSTR)
    def Name(self) -> str:
        """The product whose model is served."""
        return self._NAME

    @propget(vs=0x6002004F, vpc=0x60020027, vt=VT.BSTR)
    def Version(self) -> str:
        """The version of the product whose model is served (vpcshim's own is `vpcshim.__version__`)."""
        return self._VERSION

    @propget(vs=0x60020009, vpc=0x60020006, vt=VT.DISPATCH)
    def VirtualMachines(self) -> VirtualMachineCollection:
        """All machines of the server, running or not."""
        return VirtualMachineCollection(self._product_, self._server, self._options)

    @method(vs=0x60020004, vpc=0x60020001, vt=VT.DISPATCH, params=(VT.BSTR,))
    def FindVirtualMachine(self, configurationName: str) -> VirtualMachine | SFalse:
        """The machine of that name, in any case; a null object, with S_FALSE, when there is none."""
        with self._server.connection.calls() as connect:
            named = [(domain.name(), domain.UUIDString()) for domain in connect.listAllDomains()]
        uuid = uuid_of(configurationName, named)
        return S_FALSE if uuid is None else VirtualMachine(self._product_, self._server, self._options, uuid)

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


class VirtualServer(Application, interface="IVMVirtualServer", vs="{D1E64C50-A25D-450F-BE0B-9CA5A354CFF4}"):
    """The application of Virtual Server 2005 (`VirtualServer.Application`)."""

    _PRODUCT = Product.VIRTUAL_SERVER
    _NAME = "Virtual Server"
    _VERSION = "1.1.603.0 EE"

    @propget(vs=0x60020052, vt=VT.R8)
    def AvailableSystemCapacity(self) -> float:
        """Percent of the host's CPU capacity that running machines have not reserved."""
        with self._server.connection.calls() as connect:
            return capacity.available(connect)


class VirtualPC(Application, interface="IVMVirtualPC", vpc="{236BA0D9-A24A-4292-A132-27C1421DFD01}"):
    """The application of Windows Virtual PC (`VirtualPC.Application`)."""

    _PRODUCT = Product.VIRTUAL_PC
    _NAME = "Windows Virtual PC"
    _VERSION = "6.1.7600.0"


# ProgIDs and CLSIDs, in lower case.
_CLASSES: dict[str, type[VirtualServer] | type[VirtualPC]] = {
    "virtualserver.application": VirtualServer,
    "{da3111bc-1bd7-4884-a535-8470d36028f7}": VirtualServer,
    "virtualpc.application": VirtualPC,
    "{9a1774b7-8251-4468-a214-61dcaed9ac2f}": VirtualPC,
}


@overload
def CreateObject(
    progid: Literal["VirtualServer.Application"],
    server: str | ConnectionOptions | None = None,
    *,
    uri: str | None = None,
    unreadable_nics: Literal["error", "skip"] = "error",
    raw_counters: bool = False,
    timeout: float = ...,
    freshness: float = ...,
) -> VirtualServer: ...
@overload
def CreateObject(
    progid: Literal["VirtualPC.Application"],
    server: str | ConnectionOptions | None = None,
    *,
    uri: str | None = None,
    unreadable_nics: Literal["error", "skip"] = "error",
    raw_counters: bool = False,
    timeout: float = ...,
    freshness: float = ...,
) -> VirtualPC: ...
@overload
def CreateObject(
    progid: str,
    server: str | ConnectionOptions | None = None,
    *,
    uri: str | None = None,
    unreadable_nics: Literal["error", "skip"] = "error",
    raw_counters: bool = False,
    timeout: float = ...,
    freshness: float = ...,
) -> VirtualServer | VirtualPC: ...
def CreateObject(
    progid: str,
    server: str | ConnectionOptions | None = None,
    *,
    uri: str | None = None,
    unreadable_nics: Literal["error", "skip"] = "error",
    raw_counters: bool = False,
    timeout: float = DEFAULT_TIMEOUT,
    freshness: float = 0.0,
) -> VirtualServer | VirtualPC:
    """An application object, as a script's `CreateObject` makes it. The connection is opened at its first use.

    Args:
        progid: "VirtualServer.Application" or "VirtualPC.Application" in any case, or the CLSID of either.
        server: A libvirt URI, an alias of libvirt.conf, a host name (`qemu+ssh://HOST/system`), or a
            `ConnectionOptions` that says everything.
        uri: The same as a `server` that is a string.
        unreadable_nics: As in `ConnectionOptions`.
        raw_counters: As in `ConnectionOptions`.
        timeout: As in `ConnectionOptions`.
        freshness: As in `ConnectionOptions`.

    Raises:
        ComError: CO_E_CLASSSTRING, for a ProgID that is not one of ours.
        TypeError: The server is named twice, or options stand beside a `ConnectionOptions`.
        ValueError: An option has a value that it cannot have.
    """
    kind = _CLASSES.get(progid.lower()) if isinstance(progid, str) else None
    if kind is None:
        text = f"{progid!r} is none of the classes served here: VirtualServer.Application, VirtualPC.Application"
        raise com_error(Failure(HRESULT.CO_E_CLASSSTRING, text), "vpcshim")
    if isinstance(server, ConnectionOptions):
        if uri is not None:
            raise TypeError("the connection options name the server: leave out uri=")
        return kind(server)
    if server is not None and uri is not None:
        raise TypeError("the server is named twice: as the second argument and as uri=")
    return kind(ConnectionOptions(uri or server, unreadable_nics, raw_counters, timeout, freshness))
