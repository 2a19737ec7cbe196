"""Domain XML for the guests, built from small value objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import quoteattr

NicKind = Literal["bridge", "ethernet", "network", "user"]


@dataclass(frozen=True)
class Nic:
    """One network card.  ``source`` names the bridge or the libvirt network, ``target`` the tap."""

    kind: NicKind
    mac: str
    source: str = ""
    target: str = ""
    model: str = "virtio"

    def xml(self) -> str:
        """The <interface> element."""
        parts = [f"<interface type={quoteattr(self.kind)}>", f"<mac address={quoteattr(self.mac)}/>"]
        if self.kind in ("bridge", "network"):
            parts.append(f"<source {self.kind}={quoteattr(self.source)}/>")
        if self.target:
            managed = " managed='yes'" if self.kind == "ethernet" else ""
            parts.append(f"<target dev={quoteattr(self.target)}{managed}/>")
        # Without its boot ROM: nobody boots from the network, and the firmware would run it at each boot.
        parts += [f"<model type={quoteattr(self.model)}/>", "<rom enabled='no'/>", "</interface>"]
        return "".join(parts)


@dataclass(frozen=True)
class Disk:
    """One drive.  ``path`` None is an empty CD or floppy drive; ``target`` decides the bus (vda, sda, hda, fda)."""

    target: str
    path: Path | None = None
    device: Literal["disk", "cdrom", "floppy"] = "disk"
    format: Literal["raw", "qcow2", "vpc"] = "raw"
    readonly: bool = False

    @property
    def bus(self) -> str:
        """The bus that goes with the target's name."""
        return {"vd": "virtio", "sd": "scsi", "hd": "ide", "fd": "fdc"}[self.target[:2]]

    def xml(self) -> str:
        """The <disk> element."""
        source = f"<source file={quoteattr(str(self.path))}/>" if self.path else ""
        readonly = "<readonly/>" if self.readonly or self.device == "cdrom" else ""
        cache = " cache='none'" if self.path and self.device == "disk" else ""
        return (
            f"<disk type='file' device='{self.device}'><driver name='qemu' type='{self.format}'{cache}/>{source}"
            f"<target dev='{self.target}' bus='{self.bus}'/>{readonly}</disk>"
        )


@dataclass(frozen=True)
class GuestFiles:
    """What a guest boots, and where its two serial ports end."""

    kernel: Path
    initramfs: Path
    console: Path
    command_socket: Path


@dataclass(frozen=True)
class Hardware:
    """What a guest is made of; ``extra`` goes below <domain> and ``devices`` below <devices> as it is."""

    nics: tuple[Nic, ...] = ()
    disks: tuple[Disk, ...] = ()
    memory_mib: int = 96
    vcpus: int = 1
    extra: str = ""
    devices: str = ""
    uuid: str = ""
    cmdline: str = field(default="")


def domain_xml(name: str, files: GuestFiles, hardware: Hardware) -> str:
    """The whole domain: emulated, booted directly, silent until told otherwise."""
    # ipv6.disable: no router solicitations.  The guest has no addresses either, so it never says a word by itself.
    storage = int(any(disk.bus in ("scsi", "ide") for disk in hardware.disks))
    cmdline = (
        f"console=ttyS0 quiet loglevel=3 panic=5 ipv6.disable=1 tsc=reliable random.trust_cpu=on "
        "no_timer_check "  # on a busy host it panics ("timer doesn't work"), and again at each reboot
        f"net.ifnames=0 shim.nics={len(hardware.nics)} shim.storage={storage} {hardware.cmdline}"
    ).strip()
    scsi = any(disk.bus == "scsi" for disk in hardware.disks)
    lines = [
        "<domain type='qemu'>",
        f"<name>{name}</name>",
        f"<uuid>{hardware.uuid}</uuid>" if hardware.uuid else "",
        f"<memory unit='MiB'>{hardware.memory_mib}</memory>",
        f"<vcpu>{hardware.vcpus}</vcpu>",
        "<os><type arch='x86_64' machine='pc'>hvm</type>",
        f"<kernel>{files.kernel}</kernel><initrd>{files.initramfs}</initrd>",
        f"<cmdline>{cmdline}</cmdline></os>",
        "<features><acpi/></features>",
        "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>",
        hardware.extra,
        "<devices>",
        "<controller type='usb' model='none'/>",
        "<controller type='scsi' model='virtio-scsi'/>" if scsi else "",
        *(disk.xml() for disk in hardware.disks),
        *(nic.xml() for nic in hardware.nics),
        f"<serial type='file'><source path='{files.console}'/><target port='0'/></serial>",
        f"<serial type='unix'><source mode='bind' path='{files.command_socket}'/><target port='1'/></serial>",
        "<memballoon model='virtio'/>",
        hardware.devices,
        "</devices>",
        "</domain>",
    ]
    return "\n".join(line for line in lines if line)
