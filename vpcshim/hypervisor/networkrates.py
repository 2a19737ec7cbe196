"""What goes through each libvirt network a second: the counters of all adapters attached to it, sampled.

Sampling begins with the first question and ends when nobody has asked for a while. A network has no counters of
its own: the host's bridge counts what the host itself sends and receives, not what guests send each other.

Source: virDomainInterfaceStats.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import defaultdict, deque
from dataclasses import dataclass, field

import libvirt

from vpcshim.hypervisor import forks
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.errors import (
    ConnectionLost,
    DomainGone,
    DomainOff,
    HypervisorError,
    NotAddressable,
    Unreadable,
    classify,
)
from vpcshim.hypervisor.interfaces import Card, cards

logger = logging.getLogger(__name__)

PERIOD = 1.0  # seconds
IDLE = 120.0  # seconds without a question after which sampling ends
LENGTH = 60
COUNTERS = ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets", "dropped")

Counts = tuple[int, ...]  # in the order of COUNTERS
Key = tuple[str, str, int, str]  # the network, the domain's UUID and id, the host's device


@dataclass
class _Sample:
    """What all adapters have counted, each with the moment when it was asked; and the networks that lack one.

    `at` is when the sample began, all moments as of time.monotonic.
    """

    at: float
    counts: dict[Key, tuple[float, Counts]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)


class NetworkRates:
    """The rates of all networks of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changed = threading.Condition(forks.rlock())
        self._last: _Sample | None = None
        self._rates: dict[str, deque[Counts]] = defaultdict(lambda: deque(maxlen=LENGTH))
        self._rounds = 0
        self._asked = float("-inf")
        self._running = False
        self._pid = os.getpid()
        self._failure: HypervisorError | None = None

    def now(self, network: str) -> dict[str, int]:
        """The rates of a network over the last second sampled, by counter, a second.

        Raises:
            HypervisorError: An adapter has no counters, or the server is in trouble.
        """
        with self._changed:
            self._ask(network)
            rates = self._rates[network]
            return dict(zip(COUNTERS, rates[-1] if rates else (0,) * len(COUNTERS), strict=True))

    def history(self, network: str, counter: str) -> list[int]:
        """One rate for each of the last 60 seconds, the oldest first; 0 before sampling began. Raises as `now`."""
        with self._changed:
            self._ask(network)
            known = [rates[COUNTERS.index(counter)] for rates in self._rates[network]]
        return [0] * (LENGTH - len(known)) + known

    def _ask(self, network: str) -> None:
        self._asked = time.monotonic()
        if not self._running or self._pid != os.getpid():  # a forked child has no thread that samples
            self._running, self._last, self._rounds, self._failure = True, None, 0, None
            self._pid = os.getpid()
            self._rates.clear()
            threading.Thread(
                target=_sample, args=(weakref.ref(self),), name="vpcshim-networks", daemon=True
            ).start()
        # A rate takes two samples; what they wait for at most is bounded by the connection's own timeout.
        self._changed.wait_for(lambda: self._rounds >= 2 or self._failure is not None)
        if self._failure is not None:
            raise self._failure
        if self._last is not None and network in self._last.wrong:
            raise Unreadable(self._last.wrong[network])

    def _round(self) -> bool:
        """Take a sample; whether to go on."""
        failure = None
        sample = _Sample(time.monotonic())
        try:
            with self._connection.calls() as connect:
                _read(connect, sample)
        except HypervisorError as error:
            failure = error
        with self._changed:
            self._failure = failure
            if failure is None:
                self._take(sample)
            self._running = failure is None and time.monotonic() - self._asked < IDLE
            self._changed.notify_all()
            return self._running

    def _broke(self, error: Exception) -> None:
        with self._changed:
            self._failure = HypervisorError(f"sampling the networks broke off: {error!r}")
            self._running = False
            self._changed.notify_all()

    def _take(self, sample: _Sample) -> None:
        self._rounds += 1
        before, self._last = self._last, sample
        if before is None:
            return
        sums: dict[str, list[float]] = {network: [0] * len(COUNTERS) for network in self._rates}
        for key, (at, counts) in sample.counts.items():
            # An adapter that came since counts from the next sample on: what it had before is not of this second.
            then, had = before.counts.get(key, (at, counts))
            seconds = max(at - then, 1e-3)
            total = sums.setdefault(key[0], [0] * len(COUNTERS))
            for place, (new, old) in enumerate(zip(counts, had, strict=True)):
                total[place] += max(new - old, 0) / seconds
        # A sample that came late is of several seconds, each of which has its place in the history.
        seconds_since = min(max(round(sample.at - before.at), 1), LENGTH)
        for network, total in sums.items():
            self._rates[network].extend([tuple(map(round, total))] * seconds_since)


def _read(connect: libvirt.virConnect, sample: _Sample) -> None:
    for domain in connect.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        try:
            for card in cards(domain):
                if card.type == "network":
                    _count(domain, card, sample)
        except libvirt.libvirtError as error:
            if classify(error) not in (DomainGone, DomainOff):
                raise
            # It stopped between the list and now: the next sample knows.
            logger.debug("sampling the networks: %s", error)


def _count(domain: libvirt.virDomain, card: Card, sample: _Sample) -> None:
    """Add what an adapter has counted; or, to its network, why that is not known."""
    if not card.target:
        if _lacks_device(domain, card):
            sample.wrong[card.source] = f"{domain.name()}: {card.label} has no device on the host that would count"
        return
    try:
        rx, rx_packets, _, rx_drop, tx, tx_packets, _, tx_drop = domain.interfaceStats(card.target)
    except libvirt.libvirtError as error:
        kind = classify(error)
        if kind in (ConnectionLost, DomainGone, DomainOff):
            raise
        if kind is not NotAddressable:  # which was unplugged since
            sample.wrong[card.source] = f"{domain.name()}: {card.label}: {error.get_error_message()}"
        return
    if min(rx, rx_packets, rx_drop, tx, tx_packets, tx_drop) < 0:
        sample.wrong[card.source] = f"{domain.name()}: {card.label} lacks counters"
        return
    key = (card.source, domain.UUIDString(), domain.ID(), card.target)
    sample.counts[key] = (time.monotonic(), (rx, rx_packets, tx, tx_packets, rx_drop + tx_drop))


def _lacks_device(domain: libvirt.virDomain, card: Card) -> bool:
    """Whether the card has no device though its machine runs: one that starts, or has stopped, has none either."""
    if not _is_up(domain):
        return False
    found = any(one.mac == card.mac and not one.target for one in cards(domain))
    return found and _is_up(domain)


def _is_up(domain: libvirt.virDomain) -> bool:
    starts = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP]
    return bool(domain.isActive()) and domain.state() != starts


def _sample(me: weakref.ref[NetworkRates]) -> None:
    while True:
        began = time.monotonic()
        rates = me()
        if rates is None:
            return
        try:
            go_on = rates._round()
        except Exception as error:
            logger.exception("sampling the networks broke off")
            rates._broke(error)  # nobody is to wait for a thread that is gone
            return
        if not go_on:
            return
        del rates
        time.sleep(max(0.0, PERIOD - (time.monotonic() - began)))
