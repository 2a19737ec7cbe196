"""Rates of networks: what two samples make, and that nobody waits for a sampler that is gone."""

from __future__ import annotations

from typing import Any

import pytest

from vpcshim.hypervisor import networkrates
from vpcshim.hypervisor.errors import ConnectionLost, HypervisorError, Unreadable
from vpcshim.hypervisor.interfaces import Card
from vpcshim.hypervisor.networkrates import NetworkRates, _Sample


def rates(*samples: _Sample) -> NetworkRates:
    """Rates that were sampled, without a thread."""
    connection: Any = None
    made = NetworkRates(connection)
    made._running = True
    for sample in samples:
        made._take(sample)
    return made


def counts(at: float, sent: int, packets: int = 0) -> tuple[float, tuple[int, ...]]:
    return at, (0, 0, sent, packets, 0)


def test_rates_are_what_came_between_two_samples() -> None:
    one, two = ("lab", "u1", 1, "vnet0"), ("lab", "u2", 2, "vnet1")
    made = rates(
        _Sample(10, {one: counts(10, 1000, 10), two: counts(10, 50)}),
        _Sample(11, {one: counts(12, 5000, 30), two: counts(12, 250)}),
    )
    assert made.now("lab") == {"rx_bytes": 0, "rx_packets": 0, "tx_bytes": 2100, "tx_packets": 10, "dropped": 0}
    assert made.history("lab", "tx_bytes") == [0] * 59 + [2100]
    assert made.now("silent")["tx_bytes"] == 0


def test_an_adapter_that_was_asked_late_has_no_higher_rate() -> None:
    one, two = ("lab", "u1", 1, "vnet0"), ("lab", "u2", 2, "vnet1")
    made = rates(
        _Sample(1, {one: counts(1, 0), two: counts(1, 0)}),
        _Sample(2, {one: counts(2, 1000), two: counts(5, 4000)}),  # another machine was waited for in between
        _Sample(6, {one: counts(6, 5000), two: counts(6, 5000)}),
    )
    assert made.now("lab")["tx_bytes"] == 2000
    assert made.history("lab", "tx_bytes")[-5:] == [2000] * 5, "the late sample is of four seconds"


def test_adapters_that_come_go_and_start_anew_are_no_traffic() -> None:
    key, again = ("lab", "u1", 1, "vnet0"), ("lab", "u1", 2, "vnet0")
    made = rates(
        _Sample(1, {key: counts(1, 9000)}),
        _Sample(2),
        _Sample(3, {again: counts(3, 7000)}),
        _Sample(4, {again: counts(4, 7100)}),
        _Sample(5, {again: counts(5, 50)}),
    )
    assert made.history("lab", "tx_bytes")[-3:] == [0, 100, 0]


def test_an_adapter_without_counters_fails_its_network_alone() -> None:
    made = rates(_Sample(1), _Sample(2, {}, {"lab": "web: network adapter 1 has no counters"}))
    with pytest.raises(Unreadable, match="web"):
        made.now("lab")
    assert made.now("other")["tx_bytes"] == 0


@pytest.mark.parametrize("error", [ConnectionLost("gone"), RuntimeError("a defect")])
def test_nobody_waits_for_a_sampler_that_is_gone(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dead:
        def calls(self) -> Any:
            raise error

    monkeypatch.setattr(networkrates, "PERIOD", 0.01)
    connection: Any = Dead()
    made = NetworkRates(connection)
    for _ in range(2):  # and it is begun anew at the next question
        with pytest.raises(HypervisorError):
            made.now("lab")


@pytest.mark.parametrize("missing", [0, 1, 3, 4, 5, 7])
def test_a_counter_that_an_adapter_lacks_is_no_zero(missing: int) -> None:
    """A mock: every adapter that a guest can be given here has all of them."""

    class Domain:
        def name(self) -> str:
            return "web"

        def interfaceStats(self, _target: str) -> tuple[int, ...]:
            return tuple(-1 if place == missing else 5 for place in range(8))

    domain: Any = Domain()
    sample = _Sample(1)
    networkrates._count(domain, Card(0, "52:54:00:00:00:01", "network", "lab", True, True, "vnet0"), sample)
    assert (sample.counts, list(sample.wrong)) == ({}, ["lab"])


class Changing:
    """A domain whose XML and state are others from question to question, the last for good."""

    def __init__(self, *moments: tuple[str | None, list[int]]) -> None:
        self.moments = list(moments)
        self.passed = self.moments[0]

    def _next(self) -> tuple[str | None, list[int]]:
        self.passed = self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]
        return self.passed

    def name(self) -> str:
        return "web"

    def isActive(self) -> bool:
        return self._next()[1] != OFF

    def state(self) -> list[int]:
        return self.passed[1]

    def XMLDesc(self, _flags: int = 0) -> str:
        device = self._next()[0]
        target = f"<target dev='{device}'/>" if device else ""
        card = f"<interface type='network'><mac address='{MAC}'/><source network='lab'/>{target}</interface>"
        return f"<domain><devices>{card}</devices></domain>"

    def interfaceStats(self, _target: str) -> tuple[int, ...]:
        return (5,) * 8


MAC = "52:54:00:00:00:01"
ON, OFF, STARTS = [1, 1], [5, 1], [3, 11]


@pytest.mark.parametrize(
    ("moments", "wrong"),
    [
        pytest.param([(None, OFF)], False, id="it stopped after it was listed"),
        pytest.param([(None, STARTS), ("vnet0", ON)], False, id="it has started since"),
        pytest.param([(None, STARTS)], False, id="it starts"),
        pytest.param([(None, ON), (None, OFF)], False, id="it stops while it is asked"),
        pytest.param([(None, ON)], True, id="it has none"),
    ],
)
def test_a_card_has_no_device_only_while_its_machine_runs(
    moments: list[tuple[str | None, list[int]]], wrong: bool
) -> None:
    domain: Any = Changing(*moments)
    sample = _Sample(1)
    networkrates._count(domain, Card(0, MAC, "network", "lab", True, True, ""), sample)
    assert list(sample.wrong) == ["lab"] * wrong
