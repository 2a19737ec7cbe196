"""Runs a session (tests, benchmarks) a second time inside private mount, network, process and cgroup namespaces.

Real daemons as root would write to the host's folders, add bridges and taps to its network and leave processes.  In
the namespaces there is nothing of the host to touch, and when the first process in there ends the kernel ends all
others: nothing can be left behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.harness import cgroups, needs, packages
from tests.harness.inner_init import MARKER, NO_CGROUPS

HERE = Path(__file__).resolve()
TESTS = HERE.parents[1]
#: The kinds of test that start daemons.
KINDS = (TESTS / "daemon", TESTS / "guests")
#: How long an interrupted session may take to end its guests.
GRACE = 60.0
PR_SET_PDEATHSIG = 1
#: Options with which pytest runs no test.
ONLY_LOOKING = (
    *("collectonly", "help", "version", "markers", "setupplan"),
    *("showfixtures", "show_fixtures_per_test", "cacheshow"),
)


def inside() -> bool:
    """True in the inner session."""
    return MARKER in os.environ


def why_not() -> str | None:
    """Why the namespaces cannot be made here, or None."""
    if inside():
        return None
    if os.geteuid() != 0:
        return "real guests need root (a private libvirtd in namespaces of its own)"
    if needs.find_program("unshare") is None:
        return "unshare is not installed (Debian package util-linux)"
    return f"the session did not enter its namespaces ({MARKER} is not set)"


def can_enter() -> bool:
    """True where a session can be run again inside."""
    return os.geteuid() == 0 and needs.find_program("unshare") is not None


def selects_daemons(config: pytest.Config) -> bool:
    """True when a path on the command line, or the default, can lead to tests that start daemons."""
    base = config.invocation_params.dir
    for argument in config.args:
        path = (base / argument.split("::", 1)[0]).resolve()
        if any(path == kind or path in kind.parents or kind in path.parents for kind in KINDS):
            return True
    return False


def wanted(config: pytest.Config) -> bool:
    """True when this session has to be run again inside."""
    option = config.option
    only_looking = any(getattr(option, name, False) for name in ONLY_LOOKING)
    if only_looking or hasattr(config, "workerinput") or inside():
        return False
    return can_enter() and selects_daemons(config)


def run_again(config: pytest.Config) -> int:
    """Run the same command line inside; its exit status."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    try:
        return run_inside(("-m", "pytest", *config.invocation_params.args), config.invocation_params.dir)
    finally:
        if capture is not None:
            capture.resume_global_capture()


def run_inside(arguments: Sequence[str], directory: Path) -> int:
    """Run this Python with those arguments inside the namespaces; its exit status."""
    command = [
        needs.find_program("unshare") or "unshare",
        *("--mount", "--propagation", "private", "--net", "--pid", "--ipc"),
        *("--fork", "--mount-proc", "--kill-child"),
        *(sys.executable, str(HERE.parent / "inner_init.py")),
        *(sys.executable, *arguments),
    ]
    # A wineserver ends processes by their numbers, which inside are others: none may serve both sides.
    with cgroups.own_groups() as (groups, reason), tempfile.TemporaryDirectory(prefix="vpcshim-cache-") as cache:
        own = {"XDG_CACHE_HOME": cache, "VPCSHIM_TEST_CACHE": str(packages.cache_folder())}
        return _run(command, groups, reason, directory, own)


def _run(
    command: Sequence[str], groups: Sequence[Path], reason: str, directory: Path, own: Mapping[str, str]
) -> int:
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        # If this session is killed, its child goes too, and --kill-child takes everything below along.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for group in groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    environment = {**os.environ, **own}
    if reason:
        environment[NO_CGROUPS] = reason
    sys.stdout.flush()
    sys.stderr.flush()
    child = subprocess.Popen(command, env=environment, cwd=directory, preexec_fn=prepare)
    try:
        return child.wait()
    except KeyboardInterrupt:
        # The terminal told the inner session too; it now ends its guests and says what it has to say.
        try:
            return child.wait(GRACE)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            child.kill()
            child.wait()
            return int(pytest.ExitCode.INTERRUPTED)
