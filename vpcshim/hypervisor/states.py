"""A domain's state, and what libvirt tells of it elsewhere: whether there is a managed-save image.

Of a domain that starts libvirt tells the same state as of one that is restored, and of one that is off the same as
of one that is saved. The image decides; it is asked for in a call of its own, between which and the other the state
may have become another.

Sources: virDomainGetState, virDomainHasManagedSaveImage (libvirt-domain).
"""

from __future__ import annotations

from typing import NamedTuple

import libvirt

from vpcshim.hypervisor.errors import DomainOff, Unsupported, classify


class DomainState(NamedTuple):
    """What state a domain was in at one moment.

    Attributes:
        state: Its virDomainState.
        reason: Why it is in it, as libvirt numbers the reasons of each state.
        saved: Whether it has a managed-save image, where the state leaves open what that decides; else False.
    """

    state: int
    reason: int
    saved: bool


_OFF = (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED)
# Of a restore libvirt says that it starts, and at its end that it migrates; it removes the image last of all.
_RESTORED_AS = (libvirt.VIR_DOMAIN_PAUSED_STARTING_UP, libvirt.VIR_DOMAIN_PAUSED_MIGRATION)


def may_be_restored(state: int, reason: int) -> bool:
    """Whether a domain in that virDomainState is one that is being restored if it has a managed-save image."""
    return state == libvirt.VIR_DOMAIN_PAUSED and reason in _RESTORED_AS


def image_matters(state: int, reason: int) -> bool:
    """Whether what a domain in that virDomainState is doing depends on there being a managed-save image."""
    return state in _OFF or may_be_restored(state, reason)


def read(domain: libvirt.virDomain) -> DomainState:
    """The domain's state; with what the image decides, both of one moment.

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    state, reason = domain.state()
    while image_matters(state, reason):
        saved = is_saved(domain)
        asked_for = (state, reason)
        state, reason = domain.state()
        if (state, reason) == asked_for:
            return DomainState(state, reason, saved)
    return DomainState(state, reason, saved=False)


def saved_of(connect: libvirt.virConnect) -> frozenset[str]:
    """The UUIDs of the domains with a managed-save image, in one call. Raises as `read`.

    Those that are active are among them: one that was off a moment ago may be being restored from it by now.
    """
    try:
        held = connect.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
    except libvirt.libvirtError as error:
        if classify(error) is Unsupported:
            return frozenset()  # as `is_saved`
        raise
    return frozenset(domain.UUIDString() for domain in held)


def need_unsaved(domain: libvirt.virDomain) -> None:
    """Refuse to change the definition of a machine that is off by now because it was saved: it is restored without.

    Raises:
        DomainOff: It is saved.
        libvirt.libvirtError: libvirt refused.
    """
    if is_saved(domain):
        text = "it is restored as it was then. Start it first, or discard its saved state"
        raise DomainOff(f"{domain.name()} was saved meanwhile, and {text}")


def is_saved(domain: libvirt.virDomain) -> bool:
    """Whether the domain has a managed-save image. Raises as `read`."""
    try:
        return bool(domain.hasManagedSaveImage())
    except libvirt.libvirtError as error:
        if classify(error) is Unsupported:
            return False  # a driver without managed save has no saved machines
        raise
