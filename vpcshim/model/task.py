"""IVMTask: an operation that a caller may wait for, and IVMTaskCollection.

Sources: the IVMTask, IVMTask2 and IVMTaskCollection pages of both products' references.
"""

from __future__ import annotations

from collections.abc import Sequence

from vpcshim.com.collection import Collection
from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.com.variant import VT
from vpcshim.constants import VMTaskResult
from vpcshim.model.base import ModelObject
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.server import Server
from vpcshim.model.work import Work

_LONGEST_WAIT = 4_000_000  # milliseconds, as documented
_MOMENT = 0.2  # seconds; a start or a save takes longer, a refusal does not
_RESULTS = {
    HRESULT.E_ABORT: VMTaskResult.vmTaskResult_Cancelled,  # by whom ever
    HRESULT.E_OUTOFMEMORY: VMTaskResult.vmTaskResult_OutOfMemoryError,
    HRESULT.E_DISK_FULL: VMTaskResult.vmTaskResult_DiskRelatedError,
    HRESULT.VM_E_TIMED_OUT: VMTaskResult.vmTaskResult_TimeOutError,
    HRESULT.E_INVALIDARG: VMTaskResult.vmTaskResult_IllegalValueError,
}


class Task(
    ModelObject,
    interface="IVMTask",
    vs="{D067FEFC-B460-4F9B-9C76-285B10C044E7}",
    vpc="{AB72B222-6E9C-48AE-AA54-85E3E635767C}",
):
    """An operation in the background."""

    def __init__(self, product: Product, server: Server, options: ConnectionOptions, work: Work) -> None:
        super().__init__(product, server, options)
        self._work = work

    @method(
        vs=0x60020000,
        vpc=0x60020000,
        params=(VT.I4,),
        vs_fails=(HRESULT.E_POINTER,),
        vpc_fails=(HRESULT.E_INVALIDARG,),
        reads=True,
    )
    def WaitForCompletion(self, timeout: int) -> None:
        """Wait until the task is complete, for at most `timeout` milliseconds (0..4000000; -1: without limit).

        That the time is over is no failure: `IsComplete` tells.
        """
        if timeout != -1 and not 0 <= timeout <= _LONGEST_WAIT:
            text = f"a timeout is -1 or 0 to {_LONGEST_WAIT} milliseconds, not {timeout}"
            raise Failure(HRESULT.E_INVALIDARG, text, otherwise=(HRESULT.E_POINTER,))
        self._work.wait(None if timeout == -1 else timeout / 1000)

    @method(vs=0x60020001, vpc=0x60020001, fails=(HRESULT.E_FAIL,))
    def Cancel(self) -> None:
        """Ask the hypervisor to stop it; E_FAIL when it cannot be cancelled."""
        self._work.cancel()

    @propget(vs=0x60020002, vpc=0x60020002, vt=VT.I4)
    def PercentCompleted(self) -> int:
        """How far the task is, 0..100 percent; 100 only when it ended well."""
        return self._work.percent()

    @propget(vs=0x60020003, vpc=0x60020003, vt=VT.BSTR)
    def Description(self) -> str:
        """What the task does."""
        return self._work.description

    @propget(vs=0x60020004, vpc=0x60020004, vt=VT.I4)
    def Result(self) -> VMTaskResult:
        """How the task ended (VMTaskResult); vmTaskResult_Success while it goes on."""
        failure = self._work.failure
        if failure is None:
            return VMTaskResult.vmTaskResult_Success
        if self._work.cancelled:
            return VMTaskResult.vmTaskResult_Cancelled
        return _RESULTS.get(failure.code, VMTaskResult.vmTaskResult_UnexpectedError)

    @propget(vs=0x60020005, vpc=0x60020005, vt=VT.BOOL)
    def IsCancelable(self) -> bool:
        """Whether `Cancel` can stop it."""
        return self._work.cancelable

    @propget(vs=0x60020006, vpc=0x60020006, vt=VT.I4)
    def ID(self) -> int:
        """The task's number, unique within the process."""
        return self._work.id

    @propget(vs=0x60020007, vpc=0x60020007, vt=VT.BOOL)
    def IsComplete(self) -> bool:
        """Whether the task has ended, well or not."""
        return self._work.ended

    # Virtual Server has these two on IVMTask2, of which no type library is known: the numbers are Virtual PC's.
    @propget(vs=0x60020008, vpc=0x60020008, vt=VT.I4)
    def Error(self) -> int:
        """The HRESULT that the task ended with; S_OK while it goes on."""
        failure = self._work.failure
        return HRESULT.S_OK if failure is None else failure.code

    @propget(vs=0x60020009, vpc=0x60020009, vt=VT.BSTR)
    def ErrorDescription(self) -> str:
        """What went wrong, in words; "" when nothing did."""
        failure = self._work.failure
        return "" if failure is None else failure.description


class TaskCollection(
    Collection[Task],
    ModelObject,
    interface="IVMTaskCollection",
    vs="{316B0352-642E-42F5-AF50-241A5D38E150}",
    vpc="{5C4387C8-0E8B-4B97-8058-84679ADF4C40}",
):
    """The tasks of a server that this process began: those that go on, and the last that ended."""

    def _items_(self) -> Sequence[Task]:
        works = self._server.works.listed()
        return [Task(self._product_, self._server, self._options, work) for work in works]


def begin(of: ModelObject, work: Work) -> Task:
    """Start an operation, and hand out its task; what was kept of the machines is void when it ends.

    What the hypervisor refuses at once is the failure of the call itself, as if there were no task.

    Raises:
        Failure: It failed within a moment.
    """
    server = of._server

    def ended(work: Work) -> None:
        server.changed(work.uuid)

    server.works.begin(work, of._failure_, ended)
    refusal = work.refusal(_MOMENT)
    if refusal is not None:
        server.works.forget(work)
        raise refusal
    return Task(of._product_, server, of._options, work)
