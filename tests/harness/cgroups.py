"""A corner of the machine's cgroups for one test run.

libvirt makes its folders below the root of each cgroup hierarchy it sees.  So that none of them lands in the
host's own tree, the run gets a child group in every hierarchy, and a cgroup namespace makes that child its root.
Where the hierarchies cannot be written (most containers) there is no corner, and CPU limits cannot be tested.

Standard library only: the part inside the namespaces runs before anything else does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = "vpcshim-tests-"
#: What libvirt is to use.  The others would only cost time.
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory")


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup hierarchy, and the folder of our own group in it."""

    kind: str  # cgroup or cgroup2
    mountpoint: Path
    options: str  # what to mount it again with
    own: Path


def hierarchies() -> list[Hierarchy]:
    """The hierarchies that carry a controller libvirt can use for a guest."""
    groups = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups[frozenset(controllers.split(",")) if controllers else frozenset({"unified"})] = path
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        root, mountpoint = left.split()[3:5]
        kind, _, options = right.split()[:3]
        if kind not in ("cgroup", "cgroup2"):
            continue
        names = {"unified"} if kind == "cgroup2" else set(options.split(",")) - {"rw", "ro", "xattr"}
        if kind == "cgroup" and not names & set(CONTROLLERS):
            continue
        if kind == "cgroup2" and not (Path(mountpoint) / "cgroup.controllers").read_text().strip():
            continue
        paths = [path for group, path in groups.items() if names & group]
        if not paths:
            continue
        inside = paths[0] if root == "/" else paths[0].removeprefix(root)
        own = Path(mountpoint) / inside.lstrip("/")
        found.append(Hierarchy(kind, Path(mountpoint), ",".join(sorted(names)), own))
    return found


def _make(group: Path) -> None:
    group.mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):
        # cgroup v1 refuses a process until both are set; a new group has neither.
        mine, parent = group / name, group.parent / name
        if (group / "cgroup.clone_children").exists() and mine.exists():
            mine.write_text(parent.read_text())


def _sweep(parent: Path) -> None:
    """Remove what a run that was killed has left; a group in use refuses."""
    for old in parent.glob(f"{PREFIX}*"):
        if not Path("/proc", old.name.removeprefix(PREFIX)).exists():
            remove(old, patience=0.0)


def remove(group: Path, patience: float = 3.0) -> None:
    """Remove an empty group and all below it; groups empty themselves a moment after their last process."""
    deadline = time.monotonic() + patience
    while group.exists():
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        if time.monotonic() >= deadline:
            return
        time.sleep(0.02)


@contextlib.contextmanager
def own_groups() -> Iterator[tuple[list[Path], str]]:
    """Make the run's groups, one per hierarchy; hand out their folders, or none and the reason why not."""
    made: list[Path] = []
    reason = ""
    try:
        usable = hierarchies()
        if not usable:
            reason = "no cgroup hierarchy with a CPU controller is mounted"
        for hierarchy in usable:
            _sweep(hierarchy.own)
            group = hierarchy.own / f"{PREFIX}{os.getpid()}"
            made.append(group)
            _make(group)
    except OSError as error:
        reason = f"the cgroups cannot be written ({error})"
        for group in made:
            remove(group, patience=0.0)
        made = []
    try:
        yield made, reason
    finally:
        for group in made:
            remove(group)


def mount_inside(mounts: list[Hierarchy], mount: Mount) -> None:
    """Inside the namespaces: a fresh /sys (the old one shows the host's network) and our groups as cgroup roots."""
    mount("sysfs", "/sys", "sysfs", "")
    unified = [one for one in mounts if one.kind == "cgroup2"]
    if len(unified) == 1 and len(mounts) == 1:
        mount("cgroup2", "/sys/fs/cgroup", "cgroup2", "")
        # Version 2 gives controllers to children only while the group itself holds no process.
        leader = Path("/sys/fs/cgroup/tests")
        leader.mkdir()
        (leader / "cgroup.procs").write_text(str(os.getpid()))
        return
    mount("tmpfs", "/sys/fs/cgroup", "tmpfs", "mode=755")
    for one in mounts:
        folder = Path("/sys/fs/cgroup") / one.mountpoint.name
        folder.mkdir()
        mount("cgroup", str(folder), one.kind, one.options if one.kind == "cgroup" else "")


class Mount:
    """mount(2); the program of that name would do, but this says which mount failed."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def __call__(self, source: str, target: str, kind: str, options: str) -> None:
        """Mount ``kind`` on ``target``."""
        result = self._libc.mount(
            source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(0), options.encode()
        )
        if result != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"mount {kind} on {target}: {os.strerror(code)}")
