"""Hypothesis without clocks (a busy machine is no failure), and a bound for tests that could hang."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")

_LONGEST = 60.0


@pytest.fixture
def bounded() -> Iterator[None]:
    """Fail a test that hangs, instead of the whole session hanging with it."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"the test hung for {_LONGEST:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, _LONGEST)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
