"""Defining a machine and undefining it, and which machines there are with which .vmc file.

Sources: virDomainDefineXMLFlags, virDomainUndefineFlags, virConnectListAllDomains (libvirt-domain).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import libvirt
from lxml import etree

from vpcshim.hypervisor import settings
from vpcshim.hypervisor.capabilities import shape
from vpcshim.hypervisor.changing import one_at_a_time
from vpcshim.hypervisor.domainbuild import NewMachine, build, with_settings
from vpcshim.hypervisor.domainxml import parse, parse_element
from vpcshim.hypervisor.errors import BadXml, DomainBusy, DomainGone, Unsupported, classify
from vpcshim.hypervisor.redefine import define, definition

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registered:
    """A machine that there is.

    Attributes:
        name: Its name.
        uuid: Its UUID.
        file: Its .vmc file, as a path of the host; "" for none.
        macs: The MAC addresses of its network adapters, as `00:03:ff:...`.
    """

    name: str
    uuid: str
    file: str
    macs: frozenset[str] = frozenset()


def registered(connect: libvirt.virConnect) -> list[Registered]:
    """Every machine of the server.

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    found = []
    for domain in connect.listAllDomains():
        try:
            xml = parse(_told(domain))
            macs = frozenset(nic.mac for nic in xml.nics if nic.mac)
            found.append(Registered(xml.name, xml.uuid, settings.read(xml).file, macs))
        except BadXml as error:
            logger.warning("%s: %s", domain.name(), error)
            found.append(Registered(domain.name(), domain.UUIDString(), ""))
        except libvirt.libvirtError as error:
            if classify(error) is not DomainGone:
                raise
    return found


def _told(domain: libvirt.virDomain) -> str:
    return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE if domain.isPersistent() else 0))


def prepared(connect: libvirt.virConnect, machine: NewMachine) -> Callable[[], libvirt.virDomain]:
    """What defines the machine, shaped for this hypervisor; nothing is done before it is called.

    Raises:
        Unsupported: The hypervisor runs no such machines.
        BadXml: The machine cannot be written as a domain.
        libvirt.libvirtError: libvirt refused.
    """
    try:
        root = build(machine, shape(connect))
    except ValueError as error:
        raise BadXml(f"{machine.name} cannot be defined: {error}") from error
    return lambda: define(connect, root)


def restored(connect: libvirt.virConnect, text: str, name: str, file: str) -> Callable[[], libvirt.virDomain]:
    """What defines a machine again by the definition that it had, with that name and .vmc file.

    Raises:
        BadXml: It is no definition.
    """
    xml = parse(text)
    root = parse_element(text)
    element = root.find("name")
    if element is None:
        raise BadXml("a definition without a name")
    element.text = name
    with_settings(root, replace(settings.read(xml), file=file))
    return lambda: define(connect, root)


def definition_text(domain: libvirt.virDomain) -> str:
    """The definition with which `restored` makes the same machine again, secrets included."""
    return etree.tostring(definition(domain), encoding="unicode")


def read_settings(domain: libvirt.virDomain) -> settings.Settings:
    """The settings in the machine's definition (of a transient one: in the domain)."""
    return settings.read(parse(_told(domain)))


def obstacles(domain: libvirt.virDomain) -> str:
    """What of the machine libvirt would lose with its definition, in words; "" for nothing."""
    for ask, what in ((domain.snapshotNum, "snapshots"), (domain.listAllCheckpoints, "checkpoints")):
        count = _count(ask)
        if count:
            return f"it has {count} {what}, which libvirt forgets with the machine"
    return ""


def _count(ask: Callable[[], int | list[libvirt.virDomainCheckpoint]]) -> int:
    try:
        answer = ask()
    except libvirt.libvirtError as error:
        if classify(error) is Unsupported:
            return 0  # a driver without them
        raise
    return answer if isinstance(answer, int) else len(answer)


def undefine(domain: libvirt.virDomain, *, keep: bool) -> None:
    """Let libvirt forget a machine that is off.

    Args:
        domain: The machine, on a connection that may write.
        keep: Keep what its firmware and its TPM remember for when it is defined again, and refuse while it has a
            saved state; else all of that goes, with what libvirt knows of its snapshots. Disk images always stay.

    Raises:
        DomainBusy: It was started meanwhile. It is still there, as a machine that libvirt keeps.
        libvirt.libvirtError: libvirt refused.
    """
    # Whoever is in the midst of changing the definition would bring the machine back with it.
    with one_at_a_time():
        _undefine(domain, keep=keep)


def _undefine(domain: libvirt.virDomain, *, keep: bool) -> None:
    kept, autostart = definition(domain), domain.autostart()
    xml = parse_element(_told(domain))
    flags = 0
    if xml.find("os/nvram") is not None or xml.find("os[@firmware='efi']") is not None:
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM if keep else libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    if xml.find("devices/tpm/backend[@type='emulator']") is not None:
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_KEEP_TPM if keep else libvirt.VIR_DOMAIN_UNDEFINE_TPM
    if not keep:
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        if _count(domain.listAllCheckpoints):
            flags |= libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    domain.undefineFlags(flags)
    if _is_still_there(domain):  # libvirt has no "if it is off": a running one it would forget at its end
        define(domain.connect(), kept)
        domain.setAutostart(autostart)
        raise DomainBusy(f"{domain.name()} was started meanwhile, and is still there: turn it off first")


def _is_still_there(domain: libvirt.virDomain) -> bool:
    try:
        return bool(domain.isActive())
    except libvirt.libvirtError as error:
        if classify(error) is DomainGone:
            return False
        raise
