"""`win32com.client.gencache`: nothing has to be generated, as every object knows its interface already."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import vpcshim.constants
from vpcshim.clients.pywin32.dynamic import CDispatch, Dispatch

is_readonly = True


def EnsureDispatch(prog_id: Any, bForDemand: int = 1) -> CDispatch:
    """As `Dispatch`."""
    return Dispatch(prog_id)


def EnsureModule(*_typelib: Any, **_options: Any) -> ModuleType:
    """The module of constants, which is what scripts use of the one that pywin32 generates."""
    return vpcshim.constants


def GetModuleForProgID(progid: Any) -> ModuleType:
    """As `EnsureModule`."""
    return vpcshim.constants


def Rebuild(verbose: int = 1) -> None:
    """Nothing is to be done."""
