"""The test driver does at once what it is asked for, however long a busy machine takes to let it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vpcshim.model import task


@pytest.fixture(autouse=True)
def _a_long_moment() -> Iterator[None]:
    """A call waits until its task is over: many tests do not. Those that hold a task up let it wait less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "_MOMENT", 5.0)
        yield
