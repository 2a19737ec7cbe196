"""`comtypes.automation`: VARIANT, for a value that a script wraps itself."""

from __future__ import annotations

from typing import Any

from vpcshim.clients.pywin32 import pythoncom, values
from vpcshim.clients.pywin32.unserved import attribute

__all__ = ["VARIANT"]

_refuse = attribute("comtypes.automation")


class VARIANT(values.VARIANT):
    """A value as an argument.

    Attributes:
        missing: An argument that is left out.
        null: An argument that is Null.
    """

    missing = pythoncom.Missing
    null = None

    def __init__(self, value: Any = None) -> None:
        super().__init__(pythoncom.VT_VARIANT, value)

    def __repr__(self) -> str:
        return f"VARIANT({self.value!r})"


def __getattr__(name: str) -> Any:
    return getattr(pythoncom, name) if name.startswith("VT_") else _refuse(name)
