"""What the guest itself tells, through QEMU's guest agent.

Sources: virDomainGetGuestInfo, virDomainGetHostname, virDomainGetTime, virDomainShutdownFlags; the guest agent's
protocol reference (guest-get-osinfo).
"""

from __future__ import annotations

from enum import Enum

import libvirt

from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import Unsupported, classify

CHANNEL = "org.qemu.guest_agent.0"
# libvirt's codes for an agent that does not answer.
_NO_ANSWER = (libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_ERR_AGENT_UNSYNCED)


class Agent(Enum):
    """How things stand with a machine's agent."""

    ABSENT = "the machine has no channel for it"
    SILENT = "nobody in the guest answers"
    CONNECTED = "it answers"


def state(domain: libvirt.virDomain) -> Agent:
    """How things stand, by the XML of the running machine (libvirt keeps the channel's state there)."""
    root = parse_element(domain.XMLDesc())
    for target in root.findall("devices/channel/target"):
        if target.get("name") == CHANNEL:
            return Agent.CONNECTED if target.get("state") == "connected" else Agent.SILENT
    return Agent.ABSENT


def answers(domain: libvirt.virDomain) -> bool:
    """Whether the agent answers now: it is asked for the guest's time."""
    try:
        domain.getTime()
    except libvirt.libvirtError as error:
        if is_silence(error):
            return False
        raise
    return True


def is_silence(error: libvirt.libvirtError) -> bool:
    """Whether an error says that the agent is not there or does not answer."""
    return error.get_error_code() in _NO_ANSWER or classify(error) is Unsupported


def os_info(domain: libvirt.virDomain) -> dict[str, str]:
    """What the guest says of its operating system, by the agent's names (id, name, version-id, ...)."""
    told = domain.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_OS, 0)
    return {name.removeprefix("os."): str(value) for name, value in told.items() if name.startswith("os.")}


def hostname(domain: libvirt.virDomain) -> str:
    """The guest's own name."""
    return str(domain.hostname(libvirt.VIR_DOMAIN_GET_HOSTNAME_AGENT))


def has_power_button(domain: libvirt.virDomain) -> bool:
    """Whether the machine has ACPI, whose power button libvirt can press (the test driver needs none)."""
    root = parse_element(domain.XMLDesc())
    return root.get("type") == "test" or root.find("features/acpi") is not None
