"""What vpcshim remembers of one run of a machine, kept in the live domain's metadata.

libvirt has no start time, and keeps the byte counters across a reset where the products' contract is zero. So the
time of a start and the counters at the last reset are written into the running domain's metadata, where every
later process finds them. Metadata survives a managed save and restore, the counters do not, so the record says of
which run it is: by the domain id, which is new at each start and restore but begins again with the daemon or the
host; and, on the hypervisor's own machine, by the host's boot id and the domain's QEMU process.

Source: virDomainSetMetadata, VIR_DOMAIN_METADATA_ELEMENT.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import libvirt
from lxml import etree

from vpcshim.hypervisor.counters import Counters
from vpcshim.hypervisor.domainxml import RUN_NS, Disk, DomainXml, Nic
from vpcshim.hypervisor.errors import BadXml

_PREFIX = "vpcshim-run"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class RunRecord:
    """One run of a domain.

    Attributes:
        domain_id: The id that the domain has in this run.
        boot_id: The host's boot id, None where the writer was on another host.
        started: When the run began, seconds since the epoch on the writer's clock; None if not known.
        baseline: The counters at the last reset, by `key_of` the device.
        process: The domain's QEMU process, None where the writer could not see it.
        taken: When the baseline was taken, seconds since the epoch; the newest one holds.
        unknown: The kinds of device (`NICS`, `DRIVES`) whose counters at the last reset nobody read in time.
    """

    domain_id: int
    boot_id: str | None = None
    started: float | None = None
    baseline: Mapping[str, Counters] = field(default_factory=dict)
    process: str | None = None
    taken: float | None = None
    unknown: frozenset[str] = frozenset()

    @property
    def age(self) -> float:
        """When it was last right, for comparing two records of one run."""
        return self.taken or self.started or 0.0


NICS, DRIVES = "nics", "drives"


def key_of(device: Nic | Disk) -> str:
    """What a device's baseline is kept under: a NIC's host device and MAC, a drive's target, and the alias."""
    name = f"nic:{device.target or ''}:{device.mac}" if isinstance(device, Nic) else f"drive:{device.target}"
    return f"{name}:{device.alias}" if device.alias else name


@cache
def local_boot_id() -> str | None:
    """This host's boot id; None where the kernel does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return None


def read(xml: DomainXml, boot_id: str | None, process: str | None = None) -> RunRecord | None:
    """The record of the present run; None where there is none, or it is of an earlier run.

    Args:
        xml: The live XML.
        boot_id: The host's boot id if it is known (a local connection): a record of another boot is void, and so
            is one that was written from elsewhere, which cannot say.
        process: The domain's QEMU process if it can be seen: a record of another one is void.

    Raises:
        BadXml: Somebody else wrote something else there.
    """
    element = xml.run
    if element is None or xml.id is None or element.get("domain") != str(xml.id):
        return None
    written_under = element.get("boot")
    if boot_id is not None and boot_id != written_under:
        return None
    written_of = element.get("process")
    if process is not None and written_of is not None and process != written_of:
        return None
    try:
        started, taken = _time(element.get("started")), _time(element.get("taken"))
        baseline = {
            child.get("key") or "": Counters(_bytes(child.get("into")), _bytes(child.get("out")))
            # libvirt's virXMLInjectNamespace puts what is below the root into the namespace too.
            for child in element.iterchildren("counters", f"{{{RUN_NS}}}counters")
        }
    except ValueError as error:
        raise BadXml(
            f"the run record in the metadata of {xml.name} is damaged ({error}); it goes with the next power-off"
        ) from error
    unknown = frozenset((element.get("unknown") or "").split())
    return RunRecord(xml.id, written_under, started, baseline, written_of, taken, unknown)


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"not a number of bytes: {text!r}")
    return int(text)


def _time(text: str | None) -> float | None:
    if text is None:
        return None
    seconds = float(text)
    if not math.isfinite(seconds):
        raise ValueError(f"not a time: {text!r}")
    return seconds


def write(domain: libvirt.virDomain, record: RunRecord) -> None:
    """Put the record into the live domain's metadata (needs a read-write connection).

    Raises:
        libvirt.libvirtError: The domain is off, or the connection may not write.
    """
    element = etree.Element("run", domain=str(record.domain_id))
    if record.boot_id is not None:
        element.set("boot", record.boot_id)
    if record.process is not None:
        element.set("process", record.process)
    if record.taken is not None:
        element.set("taken", f"{record.taken:.6f}")
    if record.unknown:
        element.set("unknown", " ".join(sorted(record.unknown)))
    if record.started is not None:
        element.set("started", f"{record.started:.6f}")
    for key, counters in record.baseline.items():
        child = etree.SubElement(element, "counters", key=key)
        for name, value in (("into", counters.into), ("out", counters.out)):
            if value is not None:
                child.set(name, str(value))
    text = etree.tostring(element, encoding="unicode")
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, _PREFIX, RUN_NS, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def since_reset(device: Nic | Disk, now: Counters, record: RunRecord | None) -> Counters:
    """The counters less what they were at the last reset.

    A counter below its baseline has begun anew (the device was replaced): it stands as it is.
    """
    base = None if record is None else record.baseline.get(key_of(device))
    if base is None:
        return now
    return Counters(_less(now.into, base.into), _less(now.out, base.out))


def is_below(now: Counters, base: Counters | None) -> bool:
    """Whether a counter is below its baseline: it has begun anew since, or was read before."""
    if base is None:
        return False
    pairs = ((now.into, base.into), (now.out, base.out))
    return any(have is not None and had is not None and have < had for have, had in pairs)


def _less(now: int | None, base: int | None) -> int | None:
    if now is None or base is None or now < base:
        return now
    return now - base


def without(record: RunRecord, keys: set[str]) -> RunRecord:
    """The record without the baselines of devices that are gone."""
    return replace(record, baseline={key: value for key, value in record.baseline.items() if key not in keys})
