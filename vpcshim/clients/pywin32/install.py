"""Making the stand-in importable under pywin32's names, and taking it away again."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from vpcshim.clients.calls import Calls, Hook
from vpcshim.clients.pywin32 import session
from vpcshim.clients.pywin32.session import Factory, Session
from vpcshim.clients.pywin32.unserved import Refusing
from vpcshim.com.object import ComObject
from vpcshim.model.application import CreateObject
from vpcshim.model.options import ConnectionOptions

_HERE = "vpcshim.clients.pywin32"
_ALIASES = {
    "pythoncom": "pythoncom",
    "pywintypes": "pywintypes",
    "winerror": "winerror",
    "win32com.client": "client",
    "win32com.client.dynamic": "dynamic",
    "win32com.client.gencache": "gencache",
    "comtypes": "comtypes_package",
    "comtypes.automation": "comtypes_automation",
    "comtypes.client": "comtypes_client",
    "comtypes.hresult": "winerror",
}
_PACKAGE = "win32com"
_NAMES = (_PACKAGE, *_ALIASES)
# The modules that a script finds.
STAND_INS = frozenset(_NAMES)
_refusing = Refusing({f"{_HERE}.{module}": name for name, module in reversed(_ALIASES.items())})


class AlreadyThere(RuntimeError):
    """What the stand-in stands in for is there."""


def install_pywin32(
    uri: str | None = None, *, factory: Factory | None = None, hooks: tuple[Hook, ...] = ()
) -> None:
    """Make `win32com.client`, `pythoncom`, `pywintypes`, `winerror` and `comtypes.client` importable.

    What else of pywin32 and comtypes a script imports fails by name, unless it is there.

    Args:
        uri: The server of a script that names none; None: VPCSHIM_URI, else libvirt's default.
        factory: Makes the applications instead, of a ProgID and the server that the script names.
        hooks: What sees every call.

    Raises:
        AlreadyThere: pywin32 or comtypes themselves are installed here, or the stand-in is already.
    """
    there = [name for name in _NAMES if name in sys.modules or ("." not in name and _importable(name))]
    if there:
        raise AlreadyThere(
            f"{', '.join(there)} can be imported here already, and the stand-in does not replace it: run vpcshim "
            "from an environment without it"
        )
    session.begin(Session(factory or _default(uri), Calls(*hooks)))
    sys.modules[_PACKAGE] = ModuleType(_PACKAGE, "vpcshim's stand-in")
    for name, module in _ALIASES.items():
        sys.modules[name] = importlib.import_module(f"{_HERE}.{module}")
        outer, dot, attribute = name.rpartition(".")
        if dot:
            setattr(sys.modules[outer], attribute, sys.modules[name])
    for name in _NAMES:
        sys.modules[name].__path__ = []  # as of packages: what is imported from them and is not there is refused
    sys.meta_path.append(_refusing)


def uninstall_pywin32() -> None:
    """Take the stand-in away again; objects that were handed out go on.

    Raises:
        NotInstalled: It is not installed.
    """
    session.end(session.current())
    sys.meta_path.remove(_refusing)
    for name in _NAMES:
        sys.modules.pop(name, None)


def _importable(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _default(uri: str | None) -> Factory:
    def create(progid: str, server: str | None) -> ComObject:
        return CreateObject(progid, ConnectionOptions(server).uri or uri)

    return create
