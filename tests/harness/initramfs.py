"""The guests' only file system: busybox, the virtio drivers and an init that obeys the host."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable
from pathlib import Path

from tests.harness.kernel import Kernel, KernelError

#: The drivers, wanted by name; what they need comes with them, in an order that works.
MODULES = (
    *("virtio_pci", "failover", "net_failover", "virtio_net", "virtio_blk", "virtio_balloon"),
    *("button", "evdev", "pktgen"),
)
#: Loaded only where a guest has an IDE or SCSI drive: half a second of every other boot.
STORAGE_MODULES = ("virtio_scsi", "sd_mod", "sr_mod", "ata_piix")
INIT = Path(__file__).with_name("guest_init.sh")
BUSYBOX = ("/bin/busybox", "/usr/bin/busybox")


def cpio(entries: Iterable[tuple[str, int, bytes, tuple[int, int]]]) -> bytes:
    """A cpio archive in the kernel's "newc" format from (name, mode, data, (major, minor) of a device)."""
    parts = []
    for inode, (name, mode, data, device) in enumerate([*entries, ("TRAILER!!!", 0, b"", (0, 0))], 1):
        encoded = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]
    return b"".join(parts)


def read_module(path: Path) -> bytes:
    """A module's bytes, unpacked: busybox cannot load a compressed one."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def load_order(kernel: Kernel, wanted: Iterable[str]) -> dict[str, bytes]:
    """The wanted modules and all they depend on, dependencies first.

    A package that is only unpacked has no modules.dep, so this reads the ``depends=`` each module carries.
    """
    available = kernel.modules()
    order: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in order:
            return
        if name not in available:
            raise KernelError(f"the guest kernel has no module {name}")
        data = read_module(available[name])
        found = re.search(rb"\0depends=([^\0]*)\0", data)
        for needed in (found.group(1).decode() if found else "").split(","):
            if needed:
                add(needed.replace("-", "_"))
        order[name] = data

    for name in wanted:
        add(name)
    return order


def busybox() -> bytes:
    """A static busybox."""
    for name in BUSYBOX:
        path = Path(name)
        if path.exists():
            data = path.read_bytes()
            if b"ld-linux" in data[:4096]:
                raise KernelError(f"{name} is not static (Debian package busybox-static)")
            return data
    raise KernelError("busybox is not installed (Debian package busybox-static)")


def build(kernel: Kernel) -> bytes:
    """The whole archive, not compressed: unpacking costs an emulated guest more than loading."""
    base = load_order(kernel, MODULES)
    storage = {name: data for name, data in load_order(kernel, STORAGE_MODULES).items() if name not in base}
    modules = base | storage
    folder, program, plain, node = 0o040755, 0o100755, 0o100644, (0, 0)
    entries = [(name, folder, b"", node) for name in ("bin", "dev", "modules", "etc", "etc/acpi", "etc/acpi/PWRF")]
    entries += [
        ("dev/console", 0o020600, b"", (5, 1)),
        ("bin/busybox", program, busybox(), node),
        ("init", program, INIT.read_bytes(), node),
        ("etc/acpi/PWRF/00000080", program, b"#!/bin/sh\npoweroff -f\n", node),
        ("modules/order", plain, "".join(f"{name}.ko\n" for name in base).encode(), node),
        ("modules/order.storage", plain, "".join(f"{name}.ko\n" for name in storage).encode(), node),
    ]
    entries += [(f"modules/{name}.ko", plain, data, node) for name, data in modules.items()]
    return cpio(entries)
