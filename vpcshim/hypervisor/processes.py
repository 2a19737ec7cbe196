"""Which process of this machine a pid file means, and how old it is, read from proc(5)."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path


def age(pid: int, *, argument: str | None = None, programs: Collection[str] | None = None) -> float | None:
    """The age of a process in seconds; None when there is none, it is not ours to see, or is not the one meant.

    Args:
        pid: The process.
        argument: A word that its command line has to hold to be the one meant.
        programs: The file names, one of which its command line has to begin with to be the one meant.
    """
    started = _started(pid, argument, programs)
    if started is None:
        return None
    try:
        since_boot = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return None
    return max(0.0, since_boot - started / os.sysconf("SC_CLK_TCK"))


def _started(pid: int, argument: str | None, programs: Collection[str] | None) -> int | None:
    """When the process began, in clock ticks since boot; None as in `age`."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if argument is not None and argument.encode() not in arguments:
        return None
    if programs is not None and os.path.basename(os.fsdecode(arguments[0])) not in programs:
        return None
    return int(fields[19])


def age_of_pid_file(
    file: Path, *, argument: str | None = None, programs: Collection[str] | None = None
) -> float | None:
    """The age of the process whose number a pid file holds; None as in `age`, or when there is no such file."""
    pid = _pid_in(file)
    return None if pid is None else age(pid, argument=argument, programs=programs)


def identity_of_pid_file(file: Path, *, argument: str) -> str | None:
    """What tells that process from every other of this machine: its number and start; None as in `age`."""
    pid = _pid_in(file)
    started = None if pid is None else _started(pid, argument, None)
    return None if started is None else f"{pid}.{started}"


def _pid_in(file: Path) -> int | None:
    try:
        pid = int(file.read_text())
    except (OSError, ValueError):
        return None
    return pid if pid > 0 else None
