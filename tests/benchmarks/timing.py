"""Interleaved measurements: what is compared runs in turns, so a busy moment of the machine hits all of it."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: What is quicker than this is taken several times in its turn.
QUICK = 0.05
TIMES_IF_QUICK = 3


@dataclass(frozen=True)
class Timing:
    """The seconds that one contestant took, run by run."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The spread: a quarter of the runs was faster than the first, a quarter slower than the second."""
        if len(self.seconds) < 2:
            return self.median, self.median
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high

    def cells(self, divided_by: float = 1.0, unit: float = 1e3) -> tuple[str, str]:
        """The median and the quartiles for a table, in ms (or 1/`unit` seconds) by `divided_by` things."""
        low, high = (number(seconds * unit / divided_by) for seconds in self.quartiles)
        return number(self.median * unit / divided_by), f"{low}..{high}"


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def once(function: Callable[[], object]) -> float:
    """The seconds of one call."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def interleaved(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Time each in turn, `rounds` times, a different one first each time; one run before does not count."""
    for function in contestants.values():
        function()
    gc.collect()
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            taken = once(contestants[name])
            seconds[name].append(taken)
            if taken < QUICK:
                seconds[name].extend(once(contestants[name]) for _ in range(TIMES_IF_QUICK - 1))
    return {name: Timing(tuple(taken)) for name, taken in seconds.items()}
