"""Command lines attached to events: what they may be, which events there are, and where the switches are kept.

Nothing is run from here. A machine's command lines stand in the metadata of its definition, which everybody may
write who may define machines; so they are run only where the user who runs them has turned that on, in preferences
of his own (`VMScriptsEnabled`), and by a program that was started for it (`runner`).

Sources: the AttachScriptToEvent, VMScriptsEnabled and VSScriptsEnabled pages, VMEventType.
"""

from __future__ import annotations

import os
import shlex

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.constants import VMEventType
from vpcshim.model.preferences import Preferences

_LONGEST = 8191  # characters, of a Windows command line
_VM_ENABLED = "virtual_server/scripts/vm_enabled"
_VS_ENABLED = "virtual_server/scripts/vs_enabled"
_KEY = "virtual_server/scripts/script[@event={}]"

OF_SERVER = frozenset(VMEventType)
OF_MACHINE = frozenset(kind for kind in VMEventType if kind >= VMEventType.vmEvent_VirtualMachineLaunched)


def event_type(number: int, among: frozenset[VMEventType]) -> VMEventType:
    """The event of that number.

    Raises:
        Failure: E_INVALIDARG, when there is none, or not for this object.
    """
    found = next((kind for kind in among if kind == number), None)
    if found is None:
        known = ", ".join(f"{kind:d} ({kind.name})" for kind in sorted(among))
        raise Failure(HRESULT.E_INVALIDARG, f"{number} is no event that a script can be attached to here: {known}")
    return found


def arguments(command: str) -> list[str]:
    """The program and arguments of a command line, as a POSIX shell would split it; no shell runs it.

    Raises:
        Failure: E_INVALIDARG, when it could never be run.
    """
    if len(command) > _LONGEST or not command.isprintable():
        text = f"a command line has at most {_LONGEST} characters, all of them printable"
        raise Failure(HRESULT.E_INVALIDARG, text)
    try:
        found = shlex.split(command)
    except ValueError as error:
        raise Failure(HRESULT.E_INVALIDARG, f"{command}: {error}") from error
    if not found or not os.path.isabs(found[0]):
        text = (
            f"{command!r} does not begin with the absolute path of a program of this host; it is run without a "
            "shell, as in: /usr/bin/vpcshim run /srv/scripts/alarm.vbs"
        )
        raise Failure(HRESULT.E_INVALIDARG, text)
    return found


def already(kind: VMEventType, what: str) -> Failure:
    """The failure of attaching a second script to an event."""
    text = f"{what} has a script attached to {kind.name}; remove it first (RemoveScriptFromEvent)"
    return Failure(HRESULT.VM_E_SCRIPT_ALREADY_EXISTS, text)


class Switchboard:
    """The current user's switches, and the scripts of the application. Raises as `Preferences`."""

    def __init__(self) -> None:
        self._kept = Preferences(Product.VIRTUAL_SERVER)

    @property
    def of_machines(self) -> bool:
        """Whether the scripts that are attached to machines are run; off unless it was turned on."""
        return self._kept.get(_VM_ENABLED) is True

    @of_machines.setter
    def of_machines(self, on: bool) -> None:
        self._kept.set(_VM_ENABLED, on)

    @property
    def of_server(self) -> bool:
        """Whether the scripts that are attached to the application are run; off unless it was turned on."""
        return self._kept.get(_VS_ENABLED) is True

    @of_server.setter
    def of_server(self, on: bool) -> None:
        self._kept.set(_VS_ENABLED, on)

    def script(self, kind: VMEventType) -> str:
        """The application's command line for that event; "" for none."""
        held = self._kept.get(_KEY.format(int(kind)))
        return held if isinstance(held, str) else ""

    def attach(self, kind: VMEventType, command: str) -> None:
        """Keep a command line for that event.

        Raises:
            Failure: VM_E_SCRIPT_ALREADY_EXISTS.
        """
        key = _KEY.format(int(kind))

        def add(values: dict[str, str | bool | int | bytes]) -> None:
            if key in values:
                raise already(kind, "the application")
            values[key] = command

        self._kept.change(add)

    def remove(self, kind: VMEventType) -> None:
        """Forget the command line of that event, if there is one."""
        self._kept.remove(_KEY.format(int(kind)))
