"""The answers of the machines' undo disks, as far as libvirt's test driver, which has no files, can show them."""

from __future__ import annotations

from tests.testdriver import situations as at
from tests.testdriver.decision_table import (
    BOTH,
    E_FAIL,
    EXCEPTION,
    IS_RUNNING,
    NOT_RUNNING,
    S_OK,
    UNKNOWN,
    never,
    rows,
)
from tests.testdriver.support import VPC, VS
from vpcshim import HRESULT
from vpcshim.constants import VMUndoAction

_M = "IVMVirtualMachine"

rows(BOTH, _M, "Undoable", (at.running, S_OK, False), (at.off, S_OK, False), (at.to_be_undone, S_OK, True))
rows(
    BOTH,
    _M,
    "UndoAction",
    (at.running, S_OK, VMUndoAction.vmUndoAction_Keep),
    (at.off, S_OK, VMUndoAction.vmUndoAction_Keep),
    (at.to_be_undone, S_OK, VMUndoAction.vmUndoAction_Discard),
)
rows(BOTH, _M, "Undoable UndoAction", (at.dead_daemon, EXCEPTION), (at.undefined, UNKNOWN))
never(BOTH, _M, "UndoAction", "E_INVALIDARG", "of the setter alone: test_undo.py")
never((VPC,), _M, "Undoable", "VM_E_PREF_VM_ACTIVE", "of the setter alone: test_undo.py")

rows(BOTH, _M, "Save", (at.to_be_undone, E_FAIL))
rows(
    BOTH,
    _M,
    "MergeUndoDisks",
    (at.off, S_OK),  # there is nothing to merge
    (at.saved, S_OK),
    (at.running, IS_RUNNING),
    (at.paused, IS_RUNNING),
    (at.undefined, UNKNOWN),
    (at.dead_daemon, EXCEPTION),
)
never(
    (VPC,),
    _M,
    "MergeUndoDisks",
    "E_PATH_NOT_FOUND E_ACCESSDENIED VM_E_FILE_READ_ONLY",
    "of the files of real guests: tests/guests/test_undo.py",
)
never((VPC,), _M, "MergeUndoDisks", "E_HANDLE", "no handle of a file is ever taken from a script")
rows(
    BOTH,
    _M,
    "DiscardUndoDisks",
    (at.off, S_OK),  # there is nothing to discard
    (at.undefined, UNKNOWN),
    (at.dead_daemon, EXCEPTION),
)
for _product, _code in ((VS, NOT_RUNNING), (VPC, HRESULT.VM_E_VM_RUNNING_OR_SAVED)):
    rows((_product,), _M, "DiscardUndoDisks", *((there, _code) for there in (at.running, at.paused, at.saved)))
