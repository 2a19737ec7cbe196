"""The state and the NIC counters of all domains of a connection in one go.

State and network come from calls that need no monitor job, so a guest whose monitor hangs delays nothing here.
Once the XML of the running domains is kept (`layouts`), a sweep costs one call and, on this machine, one question
to the kernel.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import libvirt

from vpcshim.hypervisor import runrecord
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.counters import Counters, Reading, offered_reading
from vpcshim.hypervisor.domainxml import DomainXml
from vpcshim.hypervisor.errors import ConnectionFailed, ConnectionLost, HypervisorError, classify, translated
from vpcshim.hypervisor.layouts import Layouts
from vpcshim.hypervisor.nics import bulk
from vpcshim.hypervisor.nics.bulk import BulkStats
from vpcshim.hypervisor.nics.reader import NicReader
from vpcshim.hypervisor.states import may_be_restored, saved_of

T = TypeVar("T")
# What the counters of the run were at its last reset, by `runrecord.key_of`, as of a moment (monotonic clock).
BaselineReader = Callable[[DomainXml, float], Mapping[str, Counters]]

# Where a call travels, XML that is not kept is asked for over several connections at once.
_CONNECTIONS = 5
_WORTH_MORE_CONNECTIONS = 60


class DomainFacts(NamedTuple):
    """One domain as a sweep found it.

    Attributes:
        name: Its name.
        uuid: Its UUID.
        id: Its domain id, None when it is off.
        state: Its virDomainState.
        saved: Whether it has a managed-save image: it is off and saved, or being restored.
        nics: The reading of its NICs, None when it is off, or what went wrong.
        reason: Why it is in that state, as libvirt numbers the reasons of each state.
    """

    name: str
    uuid: str
    id: int | None
    state: int
    saved: bool
    nics: Reading | HypervisorError | None
    reason: int = 0


class _Found(NamedTuple):
    """A domain of the bulk answer, with what its handle knows without a call."""

    domain: libvirt.virDomain
    name: str
    uuid: str
    id: int | None
    state: int
    values: dict[str, Any]


def _found(domain: libvirt.virDomain, values: dict[str, Any]) -> _Found:
    number = domain.ID()
    state = values.get("state.state", libvirt.VIR_DOMAIN_NOSTATE)
    return _Found(domain, domain.name(), domain.UUIDString(), number if number >= 0 else None, state, values)


class Sweeper:
    """Sweeps one connection."""

    def __init__(
        self, connection: Connection, layouts: Layouts, nics: NicReader, baseline_of: BaselineReader
    ) -> None:
        """Sweep `connection`; `baseline_of` gives what the counters of a run were at its last reset."""
        self._connection = connection
        self._layouts = layouts
        self._nics = nics
        self._baseline_of = baseline_of
        self._bulk = BulkStats()

    def sweep(
        self, is_running: Callable[[int, bool], bool], wanted: Callable[[str], bool] | None = None
    ) -> list[DomainFacts]:
        """The domains of the connection, in no particular order.

        Args:
            is_running: Whether a domain in that virDomainState, active or not, counts as running.
            wanted: Whether the domain of that name is wanted; None for all of them.

        Raises:
            HypervisorError: The domains cannot be listed, or the connection was lost.
        """
        with self._connection.calls() as connect:
            at = time.monotonic()
            stats, refusal = self._bulk.read(connect, with_nics=self._nics.asks_bulk)
            found = [_found(domain, values) for domain, values in stats if wanted is None or wanted(domain.name())]
            on = [one for one in found if is_running(one.state, one.id is not None)]
            # At once, before what takes longer: what they tell is put together with the states.
            restored = any(may_be_restored(one.state, _reason(one)) for one in on)
            saved = saved_of(connect) if restored or len(on) < len(found) else frozenset()
            readings: dict[str, Reading | HypervisorError | None] = {}
            readable = []
            for one, xml in zip(on, self._xmls(on), strict=True):
                if isinstance(xml, HypervisorError):
                    readings[one.uuid] = xml
                else:
                    readable.append((one, xml))
            offers = self._nics.offers(
                [xml for _, xml in readable], [refusal or self._counted(one, xml, at) for one, xml in readable]
            )
            for (one, xml), offered in zip(readable, offers, strict=True):
                readings[one.uuid] = offered_reading(xml, offered, at) or guarded(
                    lambda: self._nics.read(one.domain, xml, offered, at)  # noqa: B023
                )
        return [
            DomainFacts(
                one.name, one.uuid, one.id, one.state, one.uuid in saved, readings.get(one.uuid), _reason(one)
            )
            for one in found
        ]

    def _counted(self, one: _Found, xml: DomainXml, at: float) -> Mapping[str, Counters] | str:
        """The bulk counters of the run that the XML is of, by host device; or why there are none."""
        if xml.id != one.id:
            return f"{bulk.NAME}: it was started anew since"
        counted = bulk.nics_of(one.values)
        # They were read before the XML: by another process it may have been reset in between.
        baseline = guarded(lambda: self._baseline_of(xml, at))
        if not isinstance(baseline, HypervisorError) and any(
            nic.target in counted and runrecord.is_below(counted[nic.target], baseline.get(runrecord.key_of(nic)))
            for nic in (xml.nics if baseline else ())
        ):
            return f"{bulk.NAME}: it was reset since"
        return counted

    def _xmls(self, on: list[_Found]) -> list[DomainXml | HypervisorError]:
        """The live XML of each; those that are not kept are asked for several at a time where a call travels."""
        missing = sum(self._layouts.kept(one.uuid, one.id) is None for one in on)
        if missing < _WORTH_MORE_CONNECTIONS or self._connection.is_local or self._connection.is_single:
            return [guarded(lambda: self._layouts.read(one.domain)) for one in on]  # noqa: B023
        from concurrent.futures import ThreadPoolExecutor  # late: a local program never needs it

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            return list(pool.map(lambda one: guarded(lambda: self._read_apart(one.uuid)), on))

    def _read_apart(self, uuid: str) -> DomainXml:
        """The live XML, over a connection that another thread does not wait on."""
        with self._connection.domain(uuid) as domain:
            return self._layouts.read(domain)


def _reason(one: _Found) -> int:
    reason: int = one.values.get("state.reason", 0)
    return reason


def guarded(function: Callable[[], T]) -> T | HypervisorError:
    """What `function` returns, or what went wrong with this one domain; a lost connection concerns them all."""
    try:
        return function()
    except libvirt.libvirtError as error:
        if classify(error) is ConnectionLost:
            raise
        return translated(error)
    except (ConnectionLost, ConnectionFailed):
        raise
    except HypervisorError as error:
        return error
