"""Bounded waits: nothing in the tests waits for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# A machine that others use as well takes that many times as long; what does come is not waited for any longer.
_BUSY = 3


def wait_until(
    predicate: Callable[[], T],
    timeout: float = 10.0,
    what: str = "",
    interval: float = 0.01,
) -> T:
    """Call ``predicate`` until it answers something true, and hand that out.

    TimeoutError after ``timeout`` seconds of a machine of one's own.
    """
    deadline = time.monotonic() + timeout * _BUSY
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout * _BUSY:g} s: {what or predicate!r}; last answer: {answer!r}")
        time.sleep(interval)
