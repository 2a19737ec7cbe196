"""What a test says of the machines of its node: `Machine`, `Nic`, `Disk`, checked as they are made."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from vpcshim.testing.checks import check_choice, check_mac, check_name, check_number, check_reserve

State = Literal[
    "nostate",
    "running",
    "blocked",
    "paused",
    "shutdown",
    "shutoff",
    "crashed",
    "pmsuspended",
    "saved",
]
NicType = Literal["user", "ethernet", "network", "bridge"]
DiskDevice = Literal["disk", "cdrom", "floppy", "lun"]

_NAMESPACE = uuids.UUID("6d0a6a0e-7a3c-5d0f-9d70-5a2f5ce4a1b2")
_WITH_SOURCE = ("network", "bridge")
_MOST_NICS = 1024  # the driver names no more
_MOST_DISKS = 26


@dataclass(frozen=True)
class Nic:
    """One NIC of a machine.

    Attributes:
        type: user, ethernet, network or bridge.
        source: The network's or the bridge's name, for these two types.
        mac: Its MAC address; None for one that follows from the machine and the NIC's place.
        target: Its host device; None for the driver's own choice (testnet0, testnet1, ...).
    """

    type: NicType = "user"
    source: str | None = None
    mac: str | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        """Refuse what libvirt would refuse, or would answer with another machine than the one meant."""
        check_choice("a NIC's type", self.type, get_args(NicType))
        if (self.source is not None) != (self.type in _WITH_SOURCE):
            wants = "needs a source" if self.type in _WITH_SOURCE else "has no source"
            raise ValueError(f"a NIC of type {self.type} {wants}")
        if self.mac is not None:
            check_mac(self.mac)


@dataclass(frozen=True)
class Disk:
    """One drive of a machine.

    Attributes:
        device: disk, cdrom, floppy or lun.
        target: Its name in the guest; None for the next free one (vda, hda, fda, sda by device).
        source: The path of its image (the test driver opens none); None for a path made of the target.
    """

    device: DiskDevice = "disk"
    target: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        """Refuse a device that there is not."""
        check_choice("a disk's device", self.device, get_args(DiskDevice))


@dataclass(frozen=True)
class Machine:
    """One machine of a node.

    Attributes:
        name: Its name; two machines may have names that differ in case only, as libvirt's domains may.
        state: A state of libvirt's, or "saved" for one that is off with a managed-save image.
        nics: How many NICs, or which.
        disks: How many disks, or which.
        vcpus: How many virtual CPUs.
        transient: Whether it is gone once it is off.
        reserve: Its ReservedSystemCapacity, percent of the host.
        uuid: Its UUID; None for one that follows from the name.
    """

    name: str
    state: State = "running"
    nics: int | Sequence[Nic] = 1
    disks: int | Sequence[Disk] = 1
    vcpus: int = 1
    transient: bool = False
    reserve: float = 0.0
    uuid: str | None = None

    def __post_init__(self) -> None:
        """Refuse what libvirt would refuse, here, where the message can name the argument."""
        check_name("a machine's name", self.name)
        check_choice(f"the state of {self.name}", self.state, get_args(State))
        check_number(f"{self.name}: vcpus", self.vcpus, 1, 32)
        check_reserve(f"{self.name}: reserve", self.reserve)
        if isinstance(self.nics, int):
            check_number(f"{self.name}: nics", self.nics, 0, _MOST_NICS)
        elif not all(isinstance(nic, Nic) for nic in self.nics):
            raise TypeError(f"{self.name}: nics is a number or a sequence of Nic(...)")
        if isinstance(self.disks, int):
            check_number(f"{self.name}: disks", self.disks, 0, _MOST_DISKS)
        elif not all(isinstance(disk, Disk) for disk in self.disks):
            raise TypeError(f"{self.name}: disks is a number or a sequence of Disk(...)")
        if self.transient and self.state in ("shutoff", "saved"):
            raise ValueError(f"{self.name}: a transient machine cannot be {self.state}, it would be gone")
        if self.uuid is not None:
            try:
                uuids.UUID(self.uuid)
            except (ValueError, TypeError, AttributeError) as error:
                raise ValueError(f"{self.name}: not a UUID: {self.uuid!r}") from error

    @property
    def known_uuid(self) -> str:
        """Its UUID: the one given, else the one that follows from its name."""
        return str(uuids.UUID(self.uuid) if self.uuid else uuids.uuid5(_NAMESPACE, self.name))

    @property
    def all_nics(self) -> tuple[Nic, ...]:
        """Its NICs one by one."""
        return (Nic(),) * self.nics if isinstance(self.nics, int) else tuple(self.nics)

    @property
    def all_disks(self) -> tuple[Disk, ...]:
        """Its drives one by one."""
        return (Disk(),) * self.disks if isinstance(self.disks, int) else tuple(self.disks)
