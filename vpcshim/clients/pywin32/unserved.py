"""What of pywin32 and comtypes is not served: imports of it fail by name, and say what there is instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_SERVED = "win32com.client, pythoncom, pywintypes, winerror and comtypes.client"

# What pywin32 installs beside what begins with win32, comtypes, and modules over them that scripts use.
_MODULES = frozenset(
    ("adodbapi", "comtypes", "ntsecuritycon", "odbc", "perfmon", "pythonwin", "servicemanager", "sspi", "wmi")
)


class Refusing:
    """Asked last, after everything that finds modules: those that it knows are not served.

    Args:
        names: What scripts know our own modules by.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        """None for whatever else there is not.

        Raises:
            ModuleNotFoundError: It is a module of pywin32 or comtypes, or a name that one of ours does not have.
        """
        outer, dot, name = fullname.rpartition(".")
        known = f"{self._names.get(outer, outer)}{dot}{name}"
        first = known.partition(".")[0]
        if first.startswith("win32") or first in _MODULES or outer in self._names:
            text = f"No module named {known!r} here: vpcshim stands in for {_SERVED} alone"
            # A part has no name here: by it `from win32com import server` would leave all this untold.
            raise ModuleNotFoundError(text, name=None if dot else known)


def attribute(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module of the stand-in, which says by what name a script knows it."""

    def refuse(name: str) -> Any:
        raise AttributeError(
            f"{module}.{name} is not served here: vpcshim has what scripts of the products use of it"
        )

    return refuse
