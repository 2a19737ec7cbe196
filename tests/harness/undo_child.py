"""A process whose children work on undo disks and are killed at it.

It has no threads and no connection of its own, so each order is served by a fork that costs next to nothing. An
order is a line, `STEP UUID OPERATION`: at which of its steps the child is to die (as if killed; 0: never), of which
domain, and `begin`, `merge`, `discard` or `settle`. The answer is two lines: the child's process id when it begins,
and its exit status when it has ended. The child leads a process group, which its qemu-img is in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt

from vpcshim.hypervisor import overlays, qemuimg

#: The exit status of a child that died at its step.
DIED = 99


def _say(text: object) -> None:
    os.write(1, f"{text}\n".encode())


def _die_at(step: int) -> None:
    """Let the process end at once, without any handler, before or after a call of those that change things."""
    left = step

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(DIED)

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            count()
            answer = function(*args, **named)
            count()
            return answer

        return call

    for owner, name in (
        (overlays, "redefine"),
        (qemuimg, "create"),
        (qemuimg, "commit"),
        (libvirt.virDomain, "managedSaveDefineXML"),
        (Path, "unlink"),
    ):
        setattr(owner, name, dying(getattr(owner, name)))


def begin(domain: Any) -> None:
    """Put overlays over the disks of a machine, as its start would."""
    with overlays.begun(domain):
        pass


def _serve(step: int, uuid: str, operation: str) -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    connection = libvirt.open("qemu:///system")
    domain = connection.lookupByUUIDString(uuid)
    if step:
        _die_at(step)
    _say(os.getpid())
    if operation == "merge":
        overlays.merge(domain, qemuimg.Job())
    else:
        {"begin": begin, "discard": overlays.discard, "settle": overlays.settle}[operation](domain)


def main() -> None:
    """Serve orders until there are no more."""
    for line in sys.stdin:
        step, uuid, operation = line.split()
        child = os.fork()
        if child == 0:
            os.setsid()
            try:
                _serve(int(step), uuid, operation)
            except BaseException as error:  # noqa: BLE001 - told by the exit status
                os.write(2, f"{operation}: {type(error).__name__}: {error}\n".encode())
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        _say(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
