"""Scripts attached to the machine's events; they stand in the metadata of its definition.

Who runs them, and that nobody does until it is turned on: see `vpcshim.model.events.attached`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import libvirt

from vpcshim.com.declare import method
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.hypervisor import settings
from vpcshim.hypervisor.domainxml import parse
from vpcshim.hypervisor.settings import Settings
from vpcshim.model.events import attached
from vpcshim.model.machine.state import Stateful

_FAILS = (HRESULT.E_INVALIDARG, HRESULT.VM_E_VM_UNKNOWN)


class Scripts(Stateful):
    """AttachScriptToEvent, FetchScriptByEvent, RemoveScriptFromEvent."""

    @method(
        vs=0x60020037,
        params=(VT.I4, VT.BSTR),
        fails=(*_FAILS, HRESULT.VM_E_SCRIPT_ALREADY_EXISTS),
    )
    def AttachScriptToEvent(self, eventType: int, scriptCommandLine: str) -> None:
        """Attach a command line to a VMEventType of a machine (not: of the service).

        It begins with the absolute path of a program, and is run without a shell.
        VM_E_SCRIPT_ALREADY_EXISTS when the event has one.
        """
        kind = attached.event_type(eventType, attached.OF_MACHINE)
        attached.arguments(scriptCommandLine)
        with self._domain(write=True) as domain:
            if kind in scripts_of(domain):
                raise attached.already(kind, domain.name())

            def attach(known: Settings) -> Settings:
                return replace(known, scripts={**known.scripts, int(kind): scriptCommandLine})

            settings.change(domain, attach)

    @method(vs=0x60020039, vt=VT.BSTR, params=(VT.I4,), fails=_FAILS, reads=True)
    def FetchScriptByEvent(self, eventType: int) -> str:
        """The command line that is attached to a VMEventType; the null string for none."""
        kind = attached.event_type(eventType, attached.OF_MACHINE)
        with self._domain() as domain:
            return scripts_of(domain).get(int(kind), "")

    @method(vs=0x60020038, params=(VT.I4,), fails=_FAILS)
    def RemoveScriptFromEvent(self, eventType: int) -> None:
        """Detach the command line of a VMEventType; nothing happens where there is none."""
        kind = attached.event_type(eventType, attached.OF_MACHINE)

        def remove(known: Settings) -> Settings:
            return replace(known, scripts={event: kept for event, kept in known.scripts.items() if event != kind})

        with self._domain(write=True) as domain:
            if kind in scripts_of(domain):
                settings.change(domain, remove)


def scripts_of(domain: libvirt.virDomain) -> Mapping[int, str]:
    """The command lines of a machine by VMEventType, as its definition holds them.

    Raises:
        BadXml: Somebody else wrote something else there.
        libvirt.libvirtError: libvirt refused.
    """
    return settings.read(parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))).scripts
