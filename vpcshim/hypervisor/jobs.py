"""The job that saves a running domain: how far it is, how it is stopped, and what its end left behind.

libvirt counts the jobs that write a domain's memory. It has no numbers of a start or a restore, and asked for them
it answers when the start is over; nor can it abort one ("no job is active").

Sources: virDomainGetJobStats, virDomainGetControlInfo, virDomainAbortJob, virDomainManagedSave,
virDomainPausedReason (libvirt-domain).
"""

from __future__ import annotations

import errno
import logging
import os
import time

import libvirt

from vpcshim.hypervisor.errors import DomainBusy, DomainOff, Unsupported, classify

logger = logging.getLogger(__name__)

_WHOLE = 100
# How long another one's call to a guest's monitor may take until it is taken to hang (seconds).
PATIENCE, _AGAIN = 1.0, 0.02
# A save is a job in the background, of which questions are answered.
_ANSWERING = (libvirt.VIR_DOMAIN_CONTROL_OK, libvirt.VIR_DOMAIN_CONTROL_JOB)


def counted(domain: libvirt.virDomain) -> bool:
    """Whether the driver of a running domain has statistics of jobs, without which none can be told and aborted.

    Raises:
        libvirt.libvirtError: libvirt refused for another reason.
    """
    try:
        domain.jobStats()
    except libvirt.libvirtError as error:
        if classify(error) is not Unsupported:
            raise
        return False
    return True


def saved_percent(domain: libvirt.virDomain) -> int | None:
    """How much of a domain that is being saved is written, 0..100 percent; None where nothing is counted (yet).

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    stats = _of_save(domain)
    total = stats.get(libvirt.VIR_DOMAIN_JOB_DATA_TOTAL, 0)
    if total <= 0:
        return None  # not begun, or just aborted
    # What remains, not what was processed: pages of zeros take no room in the image.
    remaining: int = stats.get(libvirt.VIR_DOMAIN_JOB_DATA_REMAINING, total)
    return max(0, min(_WHOLE, _WHOLE * (total - remaining) // total))


def is_being_saved(domain: libvirt.virDomain, patience: float = PATIENCE) -> bool | None:
    """Whether somebody is saving a running domain now; None where that is not known, as of one that hangs.

    Args:
        domain: The domain.
        patience: How long another one's call to its monitor may take until it is taken to hang (seconds).

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    try:
        if not _answers(domain, patience):
            return None
        stats: dict[str, int] = domain.jobStats()
    except libvirt.libvirtError as error:
        if classify(error) not in (DomainBusy, DomainOff, Unsupported):
            raise
        return None
    return _saves(stats)


def _answers(domain: libvirt.virDomain, patience: float) -> bool:
    """Whether a question about its job is answered at once; one behind a hung monitor waits for half a minute."""
    deadline = time.monotonic() + patience
    while domain.controlInfo()[0] not in _ANSWERING:
        if time.monotonic() > deadline:
            return False
        time.sleep(_AGAIN)
    return True


def abort_save(domain: libvirt.virDomain) -> bool:
    """Stop the domain's save; whether there was one to stop (it may not have begun, or have ended).

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    if not _of_save(domain):
        return False
    try:
        domain.abortJob()
    except libvirt.libvirtError as error:
        if classify(error) is not DomainOff:
            raise
        return False  # it ended in between
    return True


def _of_save(domain: libvirt.virDomain) -> dict[str, int]:
    """The statistics of the domain's job if that saves it, else none."""
    try:
        stats: dict[str, int] = domain.jobStats()
    except libvirt.libvirtError as error:
        if classify(error) not in (DomainOff, Unsupported):
            raise
        return {}
    return stats if _saves(stats) else {}


def _saves(stats: dict[str, int]) -> bool:
    return bool(stats.get(libvirt.VIR_DOMAIN_JOB_OPERATION) == libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE)


def resume_unsaved(domain: libvirt.virDomain) -> None:
    """Let a domain that ran go on after its save failed; libvirt does so itself, but for failures of its own.

    What goes wrong is logged: the caller is about to tell why the save failed.
    """
    try:
        if tuple(domain.state()) == (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_SAVE):
            domain.resume()
    except libvirt.libvirtError as error:
        logger.warning("a machine whose save failed may have been left paused: %s", error)


def is_unmovable_image(error: libvirt.libvirtError) -> bool:
    """Whether a save was refused for a disk whose format QEMU cannot hand over (vpc, vhdx); words alone tell it."""
    return "does not support live migration" in str(error)


def is_disk_full(error: libvirt.libvirtError) -> bool:
    """Whether a save failed for want of room; libvirt's helper tells it in words alone."""
    return os.strerror(errno.ENOSPC) in str(error)
