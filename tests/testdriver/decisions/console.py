"""The answers of what is seen of a machine, typed into it, and runs in it."""

from __future__ import annotations

from tests.testdriver import device_situations as at
from tests.testdriver.decision_table import ANY, BOTH, EXCEPTION, NOT_RUNNING, S_FALSE, S_OK, UNKNOWN, never, rows
from tests.testdriver.support import VPC, VS
from vpcshim import HRESULT

_M = "IVMVirtualMachine"
_INVALID = HRESULT.E_INVALIDARG
_FEATURE = HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL
_DEAD = (at.dead, EXCEPTION)
_GONE = (at.undefined, UNKNOWN)

rows(BOTH, _M, "GuestOS Display Keyboard", (at.running, S_OK), (at.off, S_OK), _DEAD, _GONE)
rows(BOTH, _M, "Mouse", (at.running, S_OK), (at.off, NOT_RUNNING), (at.saved, NOT_RUNNING), _DEAD, _GONE)

_K = "IVMKeyboard"
for _member, _right, *_wrong in (
    ("PressKey", "Key_A", "A", ""),
    ("ReleaseKey", "key_leftctrl", "Ctrl"),
    ("PressAndReleaseKey", "KeyPad_0", "KeyPad0"),
    ("IsPressed", "Key_A", "A"),
    ("TypeAsciiText", "Hello, World!", "", "\xe9", "\x01"),
    ("TypeKeySequence", "DOWN,Key_LeftCtrl,Key_C,UP,Key_LeftCtrl", "", "DOWN", "DOWN,UP,Key_A", "Key_A,,Key_B"),
):
    rows(BOTH, _K, _member, *((at.running, _INVALID, ANY, (text,)) for text in _wrong))
    rows(
        BOTH,
        _K,
        _member,
        (at.running, S_OK, ANY, (_right,)),
        (at.off, EXCEPTION, ANY, (_right,)),
        (at.dead, EXCEPTION, ANY, (_right,)),
    )

_D = "IVMDisplay"
rows(BOTH, _D, "Width Height", (at.running, S_OK), _DEAD, _GONE)
rows((VS,), _D, "Width Height", (at.off, UNKNOWN))
rows((VPC,), _D, "Width Height", (at.off, NOT_RUNNING))
never(
    BOTH, _D, "Width Height", "VM_E_NO_DISPLAY", "of a machine without a video card: tests/guests/test_devices.py"
)
rows(BOTH, _D, "Thumbnail", (at.running, S_OK), (at.off, EXCEPTION), _DEAD)

_G = "IVMGuestOS"
_SILENT = (
    "the guest's own codes pass through libvirt as its one error, and that is VM_E_ADDITIONS_FEATURE_NOT_AVAIL"
)
rows(
    BOTH,
    _G,
    "IsHeartbeating",
    (at.with_agent, S_OK, True),
    (at.running, HRESULT.VM_E_ADDITIONS_NOT_AVAIL),
    (at.off, NOT_RUNNING),
    _DEAD,
    _GONE,
)
_ASKED = ((at.running, _FEATURE), (at.off, NOT_RUNNING), _DEAD)
rows(BOTH, _G, "OSName", (at.with_agent, S_OK, "Windows 10"), *_ASKED)
rows(BOTH, _G, "ComputerName", (at.with_agent, S_OK, "WEB"), *_ASKED)
rows((VS,), _G, "ComputerName", (at.with_agent_paused, HRESULT.VM_E_VM_PAUSED))
rows((VPC,), _G, "ComputerName", (at.with_agent_paused, _FEATURE))
never(BOTH, _G, "ComputerName", "E_INVALIDARG", "there is no argument to be wrong")
for _member, _value in (
    ("OSMajorVersion", "10"),
    ("OSMinorVersion", "0"),
    ("OSBuildNumber", "19045"),
    ("OSVersion", "W10"),
    ("OSPlatformId", "2"),
):
    rows((VPC,), _G, _member, (at.with_agent, S_OK, _value), *_ASKED)
rows((VS,), _G, "CanShutdown", (at.running, S_OK, True), (at.off, S_OK, False), _DEAD, _GONE)
rows((VPC,), _G, "CanShutdown", (at.running, S_OK, True), (at.off, S_FALSE, False), _DEAD, _GONE)
never((VS,), _G, "CanShutdown", "VM_E_ADDITIONS_NOT_AVAIL", "the ACPI power button needs nothing in the guest")
rows((VS,), _G, "Shutdown", (at.running, S_OK), (at.off, NOT_RUNNING), _DEAD, _GONE)
never((VS,), _G, "Shutdown", "E_ACCESSDENIED VM_E_ADDITIONS_FEATURE_NOT_AVAIL", "test_devices.py refuses it")
rows((VPC,), _G, "Shutdown", (at.running, S_OK, ANY, (False,)), (at.running, _FEATURE, ANY, (True,)))
for _member in ("Shutdown", "Restart"):
    rows(
        (VPC,),
        _G,
        _member,
        (at.off, NOT_RUNNING, ANY, (False,)),
        (at.dead, EXCEPTION, ANY, (False,)),
        (at.undefined, UNKNOWN, ANY, (False,)),
    )
rows((VPC,), _G, "Restart", (at.running, S_OK, ANY, (False,)), (at.running, _FEATURE, ANY, (True,)))
never((VPC,), _G, "Restart", "VM_E_TIMED_OUT", "it ends when the guest was asked")
never((VPC,), _G, "Shutdown", "VM_E_TIMED_OUT E_ACCESSDENIED", "test_devices.py: that is how the task fails")
