"""What becomes of a machine's undo disks: before it starts, after it stopped, and by request.

`Undoable` and `UndoAction` are the configuration values `settings/undo_drives/enabled` and `.../default_action`,
and kept as these. The overlays are made when the machine is started. What is done with them after a run depends on
how that ended, which libvirt tells as the reason for which a domain is off, until it is restarted itself:

    the guest shut down     UndoAction, both products
    it was turned off       UndoAction with Windows Virtual PC; with Virtual Server they are kept
    anything else, unknown  they are kept: nothing is lost

Sources: the UndoAction, Undoable, TurnOff and Save pages of both products' references; virDomainShutoffReason.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import libvirt

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.constants import VMUndoAction, VMVMState
from vpcshim.hypervisor import domainxml, settings
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.errors import DomainBusy, DomainGone, HypervisorError, Unsupported
from vpcshim.hypervisor.events import Event, Kind
from vpcshim.hypervisor.settings import Settings
from vpcshim.model.hresults import failure_of
from vpcshim.model.work import Work
from vpcshim.values import Value

if TYPE_CHECKING:
    from vpcshim.model.server import Server

logger = logging.getLogger(__name__)

ENABLED = "settings/undo_drives/enabled"
ACTION = "settings/undo_drives/default_action"
# Where nobody chose: what loses nothing.
_DEFAULT_ACTION = VMUndoAction.vmUndoAction_Keep


def enabled(of: Settings) -> bool:
    """Whether the machine's disks are undoable."""
    return of.values.get(ENABLED) is True


def action(of: Settings) -> VMUndoAction:
    """What is to happen with the undo disks after a run; Keep where nothing, or nothing known, was chosen."""
    number = of.values.get(ACTION)
    if isinstance(number, bool) or not isinstance(number, int):
        return _DEFAULT_ACTION
    try:
        return VMUndoAction(number)
    except ValueError:
        return _DEFAULT_ACTION


def settings_of(domain: libvirt.virDomain) -> Settings:
    """The settings of the machine's definition.

    Raises:
        BadXml, libvirt.libvirtError: They cannot be read.
    """
    return settings.read(domainxml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))


def set_enabled(connection: Connection, domain: libvirt.virDomain, value: bool) -> None:
    """Let the disks of a machine that is off be undoable from its next start on, or no longer: `Undoable`.

    No longer deletes the undo disks that there are, with all that was written since they were made.

    Raises:
        HypervisorError: Why they cannot be; nothing is changed then.
        libvirt.libvirtError: libvirt refused.
    """
    from vpcshim.hypervisor import overlays

    if value:
        need_files(connection, domain)
        overlays.check(domain)
    else:
        discard_undo_data(connection, domain)
    _keep(domain, ENABLED, value)


def set_action(domain: libvirt.virDomain, value: int) -> None:
    """Set what is to happen with the undo disks after a run, in any state of the machine: `UndoAction`.

    Raises:
        Failure: E_INVALIDARG: it is no VMUndoAction.
        libvirt.libvirtError: libvirt refused.
    """
    try:
        chosen = VMUndoAction(value)
    except ValueError as error:
        text = f"an undo action is {', '.join(f'{one.value} ({one.name})' for one in VMUndoAction)}, not {value}"
        raise Failure(HRESULT.E_INVALIDARG, text) from error
    _keep(domain, ACTION, int(chosen))


def _keep(domain: libvirt.virDomain, key: str, value: Value) -> None:
    settings.change(domain, lambda old: replace(old, values={**old.values, key: value}))


def need_files(connection: Connection, domain: libvirt.virDomain) -> None:
    """Refuse where the machine's images are not this machine's files.

    Raises:
        Unsupported: Says why.
    """
    driver = domain.connect().getType()
    name = domain.name()
    if driver != "QEMU":
        raise Unsupported(f"the disks of {name} are of libvirt's {driver} driver: only QEMU's have overlays")
    if not connection.is_local:
        text = "its disks are files of another host: use vpcshim on that host"
        raise Unsupported(f"the undo disks of {name} cannot be reached over {connection.uri}: {text}")


def discard_undo_data(connection: Connection, domain: libvirt.virDomain) -> None:
    """Delete the undo disks of a machine that is off, if it has any; the originals are its disks again.

    Raises:
        HypervisorError: Why that cannot be done.
        libvirt.libvirtError: libvirt refused.
    """
    from vpcshim.hypervisor import overlays, undojournal

    if undojournal.read(domain) is not None:
        need_files(connection, domain)
        overlays.discard(domain)


@contextmanager
def taken_along(connection: Connection, domain: libvirt.virDomain) -> Iterator[None]:
    """Delete the undo disks, if it has any, of a machine that libvirt is let forget within; else they stay.

    Raises: As `discard_undo_data`.
    """
    from vpcshim.hypervisor import overlays, undojournal

    if undojournal.read(domain) is None:
        yield
        return
    need_files(connection, domain)
    name = domain.name()
    forgotten = False
    try:
        with overlays.taken_along(domain):
            yield
            forgotten = True
    except HypervisorError as error:
        if not forgotten:
            raise
        failure = failure_of(error)
        raise Failure(failure.code, f"{name} is deleted, but {failure.description}") from error


@contextmanager
def made_ready(connection: Connection, product: Product, domain: libvirt.virDomain, work: Work) -> Iterator[None]:
    """Make ready the undo disks of a machine that is started or restored within.

    What an earlier run left to be done is done first: its guest shut down while nobody listened.

    Raises:
        HypervisorError: They cannot be made ready; starting it now would let the guest write to the originals.
        libvirt.libvirtError: libvirt refused.
    """
    from vpcshim.hypervisor import overlays

    chosen = settings_of(domain)
    if _needs_overlays(connection, product, domain, chosen, work):
        with overlays.begun(domain):
            yield
    else:
        yield


def _needs_overlays(
    connection: Connection, product: Product, domain: libvirt.virDomain, chosen: Settings, work: Work
) -> bool:
    """Whether a machine that is about to start needs overlays, once what was left to be done is done."""
    from vpcshim.hypervisor import overlays, undojournal

    journal = undojournal.read(domain)
    if journal is None and not enabled(chosen):
        return False
    if domain.hasManagedSaveImage() and (journal is None or not journal.unfinished):
        return False  # it goes on where it was, with the disks that it had
    need_files(connection, domain)
    overlays.recover(domain)
    if domain.hasManagedSaveImage():
        return False
    journal = undojournal.read(domain)
    if journal is not None and journal.pending:
        _after_run(product, domain, action(chosen), work)
    return enabled(chosen)


def _after_run(product: Product, domain: libvirt.virDomain, chosen: VMUndoAction, work: Work) -> None:
    """Do what is left to be done after a run that ended while nobody listened."""
    reason = domain.state()[1]
    applies = reason == libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN or (
        reason == libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED and product is Product.VIRTUAL_PC
    )
    # Of a start that failed its caller was told, and nothing ran.
    if chosen is not VMUndoAction.vmUndoAction_Keep and reason != libvirt.VIR_DOMAIN_SHUTOFF_FAILED:
        done = f"{chosen.name} is done now" if applies else "its undo disks are kept: its guest did not shut down"
        logger.warning("%s was stopped while nobody listened; %s", domain.name(), done)
    _apply(domain, chosen if applies else VMUndoAction.vmUndoAction_Keep, work)


def after_turn_off(connection: Connection, product: Product, domain: libvirt.virDomain, work: Work) -> None:
    """Do with the undo disks what is to be done after the machine was turned off by a caller.

    Raises: As `made_ready`.
    """
    from vpcshim.hypervisor import undojournal

    journal = undojournal.read(domain) if domain.isPersistent() else None
    if journal is None:
        return
    need_files(connection, domain)
    keeps = product is Product.VIRTUAL_SERVER
    _apply(domain, VMUndoAction.vmUndoAction_Keep if keeps else action(settings_of(domain)), work)


def refuse_save(domain: libvirt.virDomain) -> None:
    """Refuse to save a machine whose undo disks are to be discarded.

    Raises:
        Failure: E_FAIL, as documented.
    """
    chosen = settings_of(domain)
    if enabled(chosen) and action(chosen) is VMUndoAction.vmUndoAction_Discard:
        text = "its undo disks are to be discarded (UndoAction), and a saved state is worth nothing without them"
        raise Failure(HRESULT.E_FAIL, f"{domain.name()} cannot be saved: {text}. Set UndoAction to keep them first")


def _apply(domain: libvirt.virDomain, chosen: VMUndoAction, work: Work) -> None:
    from vpcshim.hypervisor import overlays
    from vpcshim.hypervisor.qemuimg import Job

    match chosen:
        case VMUndoAction.vmUndoAction_Discard:
            overlays.discard(domain)
        case VMUndoAction.vmUndoAction_Commit:
            state, work.state = work.state, VMVMState.vmVMState_MergingDrives
            try:
                overlays.merge(domain, Job())
            finally:
                work.state = state
        case VMUndoAction.vmUndoAction_Keep:
            overlays.settle(domain)


class UndoWatch:
    """Does what is to be done with a machine's undo disks when its guest shuts down, while this process listens."""

    def __init__(self, server: Server) -> None:
        """Watch the machines of a server, for as long as that lives."""
        self._server = weakref.ref(server)
        server.events.listen(self._told)

    def _told(self, event: Event) -> None:
        # Turned off from outside (detail DESTROYED) is another matter, and he who did it sees to it.
        if event.kind is not Kind.LIFECYCLE or event.details[:2] != _SHUT_DOWN:
            return
        from vpcshim.hypervisor import undojournal

        server = self._server()
        if server is None or not server.connection.is_local:
            return
        uuid = event.uuid
        try:
            with server.connection.domain(uuid) as domain:
                if not domain.isPersistent() or undojournal.read(domain) is None:
                    return
                name, chosen = domain.name(), action(settings_of(domain))
        except HypervisorError as error:
            logger.debug("the undo disks of a machine that shut down: %s", error)
            return

        def run(work: Work) -> None:
            with server.connection.domain(uuid, write=True) as domain:
                # Unless it was started again meanwhile, or even turned off again: that is no longer this run.
                shut_down = domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN]
                if shut_down and domain.connect().getType() == "QEMU":
                    _apply(domain, chosen, work)

        def failed(error: Exception) -> Failure:
            match error:
                case DomainGone():
                    logger.warning("%s shut down and is gone: nothing was done with its undo disks here", name)
                case DomainBusy():
                    logger.warning("%s shut down, and this process leaves its undo disks alone: %s", name, error)
                case _:
                    text = "%s shut down, and its undo disks are left for its next start: %s"
                    logger.warning(text, name, error)
            if isinstance(error, HypervisorError):
                return failure_of(error)
            return Failure(HRESULT.E_UNEXPECTED, f"{type(error).__name__}: {error}")

        work = Work(f"Ending the run of the undo disks of {name}", run, uuid=uuid)
        server.works.begin(work, failed, lambda ended: server.changed(ended.uuid))


_SHUT_DOWN = (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN)
