"""Scripts attached to the application's events, and to those of all its machines.

They belong to the current user on this host, as do the two switches: see `vpcshim.model.events.attached`.
"""

from __future__ import annotations

from vpcshim.com.declare import method, propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.base import ModelObject
from vpcshim.model.events import attached
from vpcshim.model.events.attached import Switchboard

_FAILS = (HRESULT.E_INVALIDARG, HRESULT.VM_E_VM_UNKNOWN)


class Scripts(ModelObject):
    """AttachScriptToEvent, FetchScriptByEvent, RemoveScriptFromEvent, VMScriptsEnabled, VSScriptsEnabled."""

    @propget(vs=0x6002001C, vt=VT.BOOL)
    def VMScriptsEnabled(self) -> bool:
        """Whether `vpcshim events --run-scripts` of this user runs the scripts that are attached to machines.

        False until this user sets it: whoever may define machines may attach scripts to them.
        """
        return Switchboard().of_machines

    @VMScriptsEnabled.write
    def _put_VMScriptsEnabled(self, enabled: bool) -> None:
        Switchboard().of_machines = enabled

    @propget(vs=0x6002001A, vt=VT.BOOL)
    def VSScriptsEnabled(self) -> bool:
        """Whether it runs the scripts that are attached to the application; False until this user sets it."""
        return Switchboard().of_server

    @VSScriptsEnabled.write
    def _put_VSScriptsEnabled(self, enabled: bool) -> None:
        Switchboard().of_server = enabled

    @method(
        vs=0x6002001E,
        params=(VT.I4, VT.BSTR),
        fails=(HRESULT.VM_E_VM_UNKNOWN, HRESULT.VM_E_SCRIPT_ALREADY_EXISTS),
    )
    def AttachScriptToEvent(self, eventType: int, scriptCommandLine: str) -> None:
        """Attach a command line to a VMEventType: of the service, or of any machine.

        It begins with the absolute path of a program, and is run without a shell.
        VM_E_SCRIPT_ALREADY_EXISTS when the event has one.
        """
        kind = attached.event_type(eventType, attached.OF_SERVER)
        attached.arguments(scriptCommandLine)
        Switchboard().attach(kind, scriptCommandLine)

    @method(vs=0x60020020, vt=VT.BSTR, params=(VT.I4,), fails=_FAILS, reads=True)
    def FetchScriptByEvent(self, eventType: int) -> str:
        """The command line that is attached to a VMEventType; the null string for none."""
        return Switchboard().script(attached.event_type(eventType, attached.OF_SERVER))

    @method(vs=0x6002001F, params=(VT.I4,), fails=_FAILS)
    def RemoveScriptFromEvent(self, eventType: int) -> None:
        """Detach the command line of a VMEventType; nothing happens where there is none."""
        Switchboard().remove(attached.event_type(eventType, attached.OF_SERVER))
