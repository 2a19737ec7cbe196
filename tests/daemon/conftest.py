"""A libvirtd with the test driver, for each test its own: tests kill and freeze it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import needs
from tests.harness.daemon import TestDriverDaemon, running_as_root
from tests.harness.events import start_event_loop
from tests.harness.namespace import inside, why_not


@pytest.fixture
def event_loop() -> None:
    """libvirt's event loop turns: ask for it before any connection is opened."""
    start_event_loop()


def _allowed() -> None:
    if running_as_root() and not inside():
        needs.missing(f"as root a daemon is started inside the namespaces only: {why_not()}")


@pytest.fixture
def testdriver_daemon() -> Iterator[TestDriverDaemon]:
    """A daemon on a private unix socket, up and answering."""
    _allowed()
    with TestDriverDaemon() as daemon:
        yield daemon


@pytest.fixture
def testdriver_tcp_daemon() -> Iterator[TestDriverDaemon]:
    """The same, listening on a port of 127.0.0.1 as well."""
    _allowed()
    with TestDriverDaemon(listen_tcp=True) as daemon:
        yield daemon
