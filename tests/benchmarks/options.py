"""What the command line asks for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Options that all benchmarks know.

    Attributes:
        guests: How many real guests.
        taps: How many taps beside theirs.
        quick: Few repetitions and small sizes: to see that it runs.
        profile: Where vpcshim's time goes, by cProfile.
    """

    guests: int = 40
    taps: int = 1200
    quick: bool = False
    profile: bool = False


class CannotRun(Exception):
    """A benchmark cannot run here, and why."""
