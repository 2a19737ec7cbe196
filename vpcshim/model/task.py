"""IVMTask: an operation that a caller may wait for."""

from __future__ import annotations

import itertools

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.com.variant import VT
from vpcshim.constants import VMTaskResult
from vpcshim.model.base import ModelObject
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.server import Server

_LONGEST_WAIT = 4_000_000  # milliseconds, as documented
_ids = itertools.count(1)


class Task(
    ModelObject,
    interface="IVMTask",
    vs="{D067FEFC-B460-4F9B-9C76-285B10C044E7}",
    vpc="{AB72B222-6E9C-48AE-AA54-85E3E635767C}",
):
    """An operation that has ended well: for now an operation runs to its end before its task is handed out."""

    def __init__(self, product: Product, server: Server, options: ConnectionOptions, description: str) -> None:
        super().__init__(product, server, options)
        self._description = description
        self._id = next(_ids)

    @method(
        vs=0x60020000,
        vpc=0x60020000,
        params=(VT.I4,),
        vs_fails=(HRESULT.E_POINTER,),
        vpc_fails=(HRESULT.E_INVALIDARG,),
    )
    def WaitForCompletion(self, timeout: int) -> None:
        """Wait until the task is complete, for at most `timeout` milliseconds (0..4000000; -1: without limit)."""
        if timeout != -1 and not 0 <= timeout <= _LONGEST_WAIT:
            text = f"a timeout is -1 or 0 to {_LONGEST_WAIT} milliseconds, not {timeout}"
            raise Failure(HRESULT.E_INVALIDARG, text, otherwise=(HRESULT.E_POINTER,))

    @method(vs=0x60020001, vpc=0x60020001, fails=(HRESULT.E_FAIL,))
    def Cancel(self) -> None:
        """Ask the task to stop; E_FAIL when it cannot be cancelled."""
        raise Failure(HRESULT.E_FAIL, f"{self._description}: it is complete and cannot be cancelled")

    @propget(vs=0x60020002, vpc=0x60020002, vt=VT.I4)
    def PercentCompleted(self) -> int:
        """How far the task is, 0..100 percent."""
        return 100

    @propget(vs=0x60020003, vpc=0x60020003, vt=VT.BSTR)
    def Description(self) -> str:
        """What the task does."""
        return self._description

    @propget(vs=0x60020004, vpc=0x60020004, vt=VT.I4)
    def Result(self) -> VMTaskResult:
        """How the task ended (VMTaskResult)."""
        return VMTaskResult.vmTaskResult_Success

    @propget(vs=0x60020005, vpc=0x60020005, vt=VT.BOOL)
    def IsCancelable(self) -> bool:
        """Whether `Cancel` can stop it."""
        return False

    @propget(vs=0x60020006, vpc=0x60020006, vt=VT.I4)
    def ID(self) -> int:
        """The task's number, unique within the process."""
        return self._id

    @propget(vs=0x60020007, vpc=0x60020007, vt=VT.BOOL)
    def IsComplete(self) -> bool:
        """Whether the task has ended."""
        return True

    # Virtual Server has these two on IVMTask2, of which no type library is known: the numbers are Virtual PC's.
    @propget(vs=0x60020008, vpc=0x60020008, vt=VT.I4)
    def Error(self) -> int:
        """The HRESULT that the task ended with."""
        return HRESULT.S_OK

    @propget(vs=0x60020009, vpc=0x60020009, vt=VT.BSTR)
    def ErrorDescription(self) -> str:
        """What went wrong, in words; "" when nothing did."""
        return ""
