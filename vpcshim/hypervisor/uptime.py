"""How long a domain has been running. libvirt has no call for it.

For a QEMU domain of this host it is the age of its process (power-on and restore each start a new one, a reset
does not). Elsewhere it is what was recorded when the run began (`runrecord`). There is no third source.

Sources: proc(5) for the process; libvirt's qemu driver keeps its pid in a file named after the domain.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from vpcshim.hypervisor import processes
from vpcshim.hypervisor.domainxml import DomainXml
from vpcshim.hypervisor.errors import Unknowable
from vpcshim.hypervisor.runrecord import RunRecord

_QEMU = ("qemu", "kvm")
# The record is rounded to milliseconds, and the clocks of two machines differ by more: not yet a wrong clock.
_SKEW = 1.0


def seconds_up(xml: DomainXml, record: RunRecord | None, *, local: bool) -> float:
    """Seconds since power-on or restore.

    Args:
        xml: The live XML.
        record: What is recorded of this run.
        local: Whether the hypervisor is on this machine.

    Raises:
        Unknowable: Nothing says when the run began.
    """
    if local and xml.driver in _QEMU:
        age = _process_age(xml.name, xml.uuid)
        if age is not None:
            return age
    if record is not None and record.started is not None:
        age = time.time() - record.started
        if age < -_SKEW:
            raise Unknowable(
                f"the start of {xml.name} was recorded {-age:.0f} s in the future of this machine's clock: "
                "set the clocks of the two machines right"
            )
        return max(0.0, age)
    why = _why_no_process(xml, local)
    raise Unknowable(
        f"the start of {xml.name} is not known: libvirt keeps no such time, {why}, and vpcshim recorded none"
    )


def _why_no_process(xml: DomainXml, local: bool) -> str:
    if xml.driver not in _QEMU:
        return f"a domain of type {xml.driver} has no process whose age would tell"
    return "its QEMU process cannot be seen from here" if local else "its process is on another machine"


def _process_age(name: str, uuid: str) -> float | None:
    """The age in seconds of the QEMU process of that domain on this machine; None where there is none to see."""
    for folder in _pid_folders():
        # The UUID tells a stale pid file, and a domain of the same name elsewhere, from the process meant.
        found = processes.age_of_pid_file(folder / f"{name}.pid", argument=uuid)
        if found is not None:
            return found
    return None


def process_of(name: str, uuid: str) -> str | None:
    """What tells the domain's QEMU process from every other of this machine; None where it is not seen."""
    for folder in _pid_folders():
        found = processes.identity_of_pid_file(folder / f"{name}.pid", argument=uuid)
        if found is not None:
            return found
    return None


def _pid_folders() -> Iterator[Path]:
    yield Path("/run/libvirt/qemu")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        yield Path(runtime, "libvirt/qemu/run")
    yield Path.home() / ".cache/libvirt/qemu/run"
