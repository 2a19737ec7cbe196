"""The answers of the scripts attached to events."""

from __future__ import annotations

from tests.testdriver import situations as at
from tests.testdriver.decision_table import ANY, ARGUMENTS, EXCEPTION, S_OK, UNKNOWN, never, rows
from tests.testdriver.situations import Bench
from tests.testdriver.support import VS
from vpcshim import HRESULT
from vpcshim.com.object import ComObject
from vpcshim.constants import VMEventType
from vpcshim.model import preferences

_M, _A = "IVMVirtualMachine", "IVMVirtualServer"
_RESET, _STARTED = int(VMEventType.vmEvent_VirtualMachineReset), int(VMEventType.vmEvent_VirtualServerStarted)
_COMMAND = "/bin/true 'of web'"
_INVALID, _EXISTS = HRESULT.E_INVALIDARG, HRESULT.VM_E_SCRIPT_ALREADY_EXISTS

ARGUMENTS["AttachScriptToEvent"] = (_RESET, _COMMAND)
ARGUMENTS["FetchScriptByEvent"] = (_RESET,)
ARGUMENTS["RemoveScriptFromEvent"] = (_RESET,)


def _at_home(bench: Bench) -> ComObject:
    """web runs, and the user has preferences of his own."""
    bench.patch.setenv("XDG_CONFIG_HOME", str(bench.folder / "config"))
    return bench.node()


def attached(bench: Bench) -> ComObject:
    """A script is attached to the reset, of the machine or of the application."""
    obj = _at_home(bench)
    obj.AttachScriptToEvent(_RESET, _COMMAND)
    return obj


def nothing_attached(bench: Bench) -> ComObject:
    """No script is attached."""
    return _at_home(bench)


def preferences_broken(bench: Bench) -> ComObject:
    """The file of the user's preferences is none of ours."""
    obj = _at_home(bench)
    folder = preferences.folder()
    folder.mkdir(parents=True)
    (folder / "virtual-server-2005.json").write_text("no JSON")
    return obj


_ALL = "AttachScriptToEvent FetchScriptByEvent RemoveScriptFromEvent"
rows((VS,), _M, "AttachScriptToEvent", (nothing_attached, S_OK), (attached, _EXISTS))
rows((VS,), _M, "AttachScriptToEvent", (at.running, _INVALID, ANY, (_STARTED, _COMMAND)))
rows((VS,), _M, "FetchScriptByEvent RemoveScriptFromEvent", (at.running, _INVALID, ANY, (99,)))
rows((VS,), _M, "FetchScriptByEvent", (attached, S_OK, _COMMAND), (nothing_attached, S_OK, ""))
rows((VS,), _M, "RemoveScriptFromEvent", (attached, S_OK), (nothing_attached, S_OK))
rows((VS,), _M, _ALL, (at.undefined, UNKNOWN), (at.dead_daemon, EXCEPTION))

rows((VS,), _A, "AttachScriptToEvent", (nothing_attached, S_OK), (attached, _EXISTS))
rows((VS,), _A, "AttachScriptToEvent", (nothing_attached, EXCEPTION, ANY, (12, _COMMAND)))
rows((VS,), _A, "FetchScriptByEvent RemoveScriptFromEvent", (nothing_attached, _INVALID, ANY, (-1,)))
rows((VS,), _A, "FetchScriptByEvent", (attached, S_OK, _COMMAND), (nothing_attached, S_OK, ""))
rows((VS,), _A, "RemoveScriptFromEvent", (attached, S_OK), (nothing_attached, S_OK))
rows((VS,), _A, _ALL, (preferences_broken, EXCEPTION))
never((VS,), _A, _ALL, "VM_E_VM_UNKNOWN", "the scripts of the application belong to no machine")
rows(
    (VS,),
    _A,
    "VMScriptsEnabled VSScriptsEnabled",
    (nothing_attached, S_OK, False),
    (preferences_broken, EXCEPTION),
)
