"""The machine's undo disks.

Sources: the Undoable, UndoAction, MergeUndoDisks and DiscardUndoDisks pages of IVMVirtualMachine in both products'
references.
"""

from __future__ import annotations

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.constants import VMUndoAction, VMVMState
from vpcshim.hypervisor.states import is_saved
from vpcshim.model import undoing
from vpcshim.model.hresults import runs
from vpcshim.model.machine.state import Stateful
from vpcshim.model.task import Task, begin
from vpcshim.model.work import Work

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)


class Undo(Stateful):
    """Undoable, UndoAction, MergeUndoDisks, DiscardUndoDisks."""

    @propget(vs=0x60020027, vpc=0x60020024, vt=VT.BOOL, fails=_UNKNOWN, vpc_fails=(HRESULT.VM_E_PREF_VM_ACTIVE,))
    def Undoable(self) -> bool:
        """Whether what the guest writes goes to undo disks from the machine's next start on.

        They are qcow2 overlays beside the images, made by `Startup`; the images stay as they are. Set while the
        machine is turned off; False deletes the undo disks that there are. Only for QEMU on this machine, and where
        every writable hard disk can have an overlay: the message names the drive that cannot, and why.
        """
        with self._domain() as domain:
            return undoing.enabled(undoing.settings_of(domain))

    @Undoable.write
    def _put_Undoable(self, value: bool) -> None:
        with self._turned_off("a change of whether its disks are undoable") as (domain, _):
            undoing.set_enabled(self._server.connection, domain, value)
        self._server.configuration_changed(self._uuid, undoing.ENABLED, value)

    @propget(vs=0x60020029, vpc=0x60020026, vt=VT.I4, fails=(HRESULT.E_INVALIDARG, *_UNKNOWN))
    def UndoAction(self) -> VMUndoAction:
        """What is done with the undo disks when the guest shuts down (VMUndoAction); Keep unless set.

        With Windows Virtual PC also when the machine is turned off. It is done at once while a vpcshim is connected
        to the server, else by the next `Startup`. E_INVALIDARG when it is set to something else.
        """
        with self._domain() as domain:
            return undoing.action(undoing.settings_of(domain))

    @UndoAction.write
    def _put_UndoAction(self, value: int) -> None:
        with self._domain(write=True) as domain:
            undoing.set_action(domain, value)
        self._server.configuration_changed(self._uuid, undoing.ACTION, value)

    @method(
        vs=0x60020025,
        vpc=0x60020022,
        vt=VT.DISPATCH,
        fails=(HRESULT.VM_E_VM_RUNNING, *_UNKNOWN),
        vpc_fails=(
            HRESULT.E_PATH_NOT_FOUND,
            HRESULT.E_ACCESSDENIED,
            HRESULT.E_HANDLE,
            HRESULT.VM_E_FILE_READ_ONLY,
        ),
    )
    def MergeUndoDisks(self) -> Task:
        """Write what the undo disks hold into the images, and delete them, in the background (IVMTask).

        VM_E_VM_RUNNING when the machine runs; a saved one keeps its saved state, and once restored writes to the
        images until it is started anew. The task cannot be cancelled: an
        image is neither as it was nor as it is to be half-way. A merge that was interrupted is completed by
        whatever is done next with the undo disks, `Startup` included. Without undo disks there is nothing to merge.
        """
        from vpcshim.hypervisor import overlays, undojournal
        from vpcshim.hypervisor.qemuimg import Job

        with self._domain(write=True) as domain:
            name = str(domain.name())
            if runs(domain):
                text = f"{name} is running: its undo disks are merged while it is turned off or saved"
                raise Failure(HRESULT.VM_E_VM_RUNNING, text)
            if undojournal.read(domain) is not None:
                undoing.need_files(self._server.connection, domain)
        job = Job()

        def run(_work: Work) -> None:
            with self._domain(write=True) as domain:
                if undojournal.read(domain) is not None:
                    overlays.merge(domain, job)

        description, state = f"Merging the undo disks of {name}", VMVMState.vmVMState_MergingDrives
        return begin(self, Work(description, run, uuid=self._uuid, state=state, percent=lambda: int(job.percent)))

    @method(
        vs=0x60020026,
        vpc=0x60020023,
        fails=_UNKNOWN,
        vs_fails=(HRESULT.VM_E_VM_NOT_RUNNING,),
        vpc_fails=(HRESULT.VM_E_VM_RUNNING_OR_SAVED,),
    )
    def DiscardUndoDisks(self) -> None:
        """Delete the undo disks, with all that was written since they were made.

        Refused while the machine is running or saved, with Virtual Server under the only code that its page has,
        VM_E_VM_NOT_RUNNING; that page would have it run, but no disk can be taken from a running machine.
        """
        with self._domain(write=True) as domain:
            state = "running" if runs(domain) else "saved" if is_saved(domain) else ""
            if state:
                text = f"{domain.name()} is {state}: its undo disks are discarded while it is turned off"
                otherwise = (HRESULT.VM_E_VM_NOT_RUNNING,)
                raise Failure(HRESULT.VM_E_VM_RUNNING_OR_SAVED, text, otherwise=otherwise)
            undoing.discard_undo_data(self._server.connection, domain)
