"""Runs the session inside private namespaces when it may start daemons as root: tests/harness/namespace.py."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import namespace, wine


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Hand the whole command line to an inner session, or None to run it here."""
    return namespace.run_again(config) if namespace.wanted(config) else None


def pytest_configure() -> None:
    """Let the programs under test be as a user's, whatever this session was started from.

    They can be interrupted, which what a shell starts in the background ignores, and they keep their output as
    Python does.
    """
    os.environ.pop("PYTHONUNBUFFERED", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> str:
    """Say where the tests run: inside the namespaces, or without them and why."""
    if namespace.inside():
        return "daemons: private mount, network, process and cgroup namespaces"
    return f"daemons: outside namespaces ({namespace.why_not()})"


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this session's, for Wine's private folder.

    Of the user's own the wineserver may run already, outside of the namespaces: its sockets are of another network.
    """
    cache = tmp_path_factory.mktemp("cache")
    yield cache
    wine.end_servers(cache)
