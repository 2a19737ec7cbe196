"""`win32com.client.gencache`: nothing has to be generated, as every object knows its interface already."""

from __future__ import annotations

from typing import Any

from vpcshim.clients.pywin32.constants import LIBRARIES, Generated
from vpcshim.clients.pywin32.dynamic import CDispatch, generated
from vpcshim.clients.pywin32.session import current
from vpcshim.clients.pywin32.unserved import attribute
from vpcshim.com.errors import ComError
from vpcshim.model.application import product_of

is_readonly = True
_TYPE_E_LIBNOTREGISTERED = 0x8002801D - (1 << 32)


def EnsureDispatch(prog_id: Any, bForDemand: int = 1) -> CDispatch:
    """The object of a ProgID, a CLSID, or another such object; all of its product are early-bound from now on."""
    return generated(prog_id)


def EnsureModule(typelibCLSID: Any, *_version: Any, **_options: Any) -> Generated:
    """The module of one of our type libraries; its product's objects are early-bound from now on.

    Raises:
        ComError: TYPE_E_LIBNOTREGISTERED, for any other library.
    """
    for product, libid in LIBRARIES.items():
        if str(typelibCLSID).strip("{}").upper() == libid.strip("{}"):
            current().generated.add(product)
            return Generated(product)
    text = f"{typelibCLSID} is none of the type libraries served here: {', '.join(LIBRARIES.values())}"
    raise ComError(_TYPE_E_LIBNOTREGISTERED, "Library not registered.", description=text)


def GetModuleForProgID(progid: Any) -> Generated | None:
    """The module of the product of a ProgID or CLSID; None for any other."""
    product = product_of(str(progid))
    return None if product is None else Generated(product)


def Rebuild(verbose: int = 1) -> None:
    """Nothing is to be done."""


MakeModuleForTypelib = GetModuleForTypelib = EnsureModule
__getattr__ = attribute("win32com.client.gencache")
