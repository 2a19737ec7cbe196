"""IVMVirtualServer and IVMVirtualPC: the applications that scripts create.

Sources: the IVMVirtualServer and IVMVirtualPC pages of the references.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, overload

from vpcshim.com.errors import Failure, com_error
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.hypervisor.connection import DEFAULT_TIMEOUT
from vpcshim.hypervisor.errors import AccessDenied, HypervisorError
from vpcshim.model.app.configuration import Configuration
from vpcshim.model.app.disks import Disks
from vpcshim.model.app.files import Files
from vpcshim.model.app.host import Host
from vpcshim.model.app.identity import Identity
from vpcshim.model.app.limits import Limits
from vpcshim.model.app.locale import Locale
from vpcshim.model.app.machines import Machines
from vpcshim.model.app.networks import Networks
from vpcshim.model.app.remote_console import RemoteConsole
from vpcshim.model.app.scripts import Scripts
from vpcshim.model.app.security import Security
from vpcshim.model.app.tasks import Tasks
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.server import server as server_of


class Application(
    Identity,
    Machines,
    Tasks,
    Files,
    Limits,
    Configuration,
    Locale,
    Scripts,
    Disks,
    Networks,
    Host,
    RemoteConsole,
    Security,
):
    """What both products' applications have in common."""

    _PRODUCT: Product

    def __init__(self, options: ConnectionOptions) -> None:
        super().__init__(self._PRODUCT, server_of(options.server(), options.timeout), options)

    def reach(self) -> None:
        """Have a connection open, as whoever is handed an object by COM has one.

        Raises:
            Failure: E_ACCESSDENIED, or RPC_S_SERVER_UNAVAILABLE, whatever else kept it from being opened.
        """
        try:
            with self._server.connection.calls():
                pass
        except HypervisorError as error:
            denied = isinstance(error, AccessDenied)
            code = HRESULT.E_ACCESSDENIED if denied else HRESULT.RPC_S_SERVER_UNAVAILABLE
            raise Failure(code, str(error)) from error


class VirtualServer(Application, interface="IVMVirtualServer", vs="{D1E64C50-A25D-450F-BE0B-9CA5A354CFF4}"):
    """The application of Virtual Server 2005 (`VirtualServer.Application`)."""

    _PRODUCT = Product.VIRTUAL_SERVER
    _NAME = "Virtual Server"
    _VERSION = "1.1.603.0 EE"


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


def _no_class(progid: object) -> Failure:
    text = f"{progid!r} is none of the classes served here: VirtualServer.Application, VirtualPC.Application"
    return Failure(HRESULT.CO_E_CLASSSTRING, text)


def clsid_of(progid: str) -> str:
    """The CLSID of one of the ProgIDs, as `{...}` in capitals.

    Raises:
        ComError: CO_E_CLASSSTRING, for a ProgID that is not one of ours.
    """
    kind = _CLASSES.get(progid.lower())
    if kind is None:
        raise com_error(_no_class(progid), "vpcshim")
    return next(name for name, known in _CLASSES.items() if known is kind and name.startswith("{")).upper()


def product_of(progid: str) -> Product | None:
    """The product whose application a ProgID or CLSID names, in any case; None for one that is not served."""
    kind = _CLASSES.get(progid.lower())
    return None if kind is None else kind._PRODUCT


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
    drives: Mapping[str, str] | None = None,
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
    drives: Mapping[str, str] | None = None,
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
    drives: Mapping[str, str] | None = None,
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
    drives: Mapping[str, str] | None = None,
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
        drives: As in `ConnectionOptions`.

    Raises:
        ComError: CO_E_CLASSSTRING, for a ProgID that is not one of ours.
        TypeError: The server is named twice, or options stand beside a `ConnectionOptions`.
        ValueError: An option has a value that it cannot have.
    """
    kind = _CLASSES.get(progid.lower()) if isinstance(progid, str) else None
    if kind is None:
        raise com_error(_no_class(progid), "vpcshim")
    if isinstance(server, ConnectionOptions):
        if uri is not None:
            raise TypeError("the connection options name the server: leave out uri=")
        return kind(server)
    if server is not None and uri is not None:
        raise TypeError("the server is named twice: as the second argument and as uri=")
    return kind(ConnectionOptions(uri or server, unreadable_nics, raw_counters, timeout, freshness, drives))
