"""A kernel for the guests, taken from a Debian package without installing it.

``python -m tests.harness.kernel`` downloads it with apt into a cache folder.  That has to happen before the tests:
inside their namespaces there is no network.  The tests only look the kernel up.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.harness import packages
from tests.harness.packages import PackageError

META_PACKAGE = "linux-image-cloud-amd64"


class KernelError(PackageError):
    """There is no kernel for the guests, and why."""


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel package."""

    folder: Path

    @property
    def image(self) -> Path:
        """The file QEMU boots."""
        return next(iter(sorted((self.folder / "boot").glob("vmlinuz-*"))))

    def modules(self) -> dict[str, Path]:
        """Every module of the package by its name, with underscores."""
        return {
            path.name.split(".ko", 1)[0].replace("-", "_"): path
            for path in (self.folder / "lib" / "modules").rglob("*.ko*")
        }


def find_kernel() -> Kernel:
    """The newest kernel in the cache."""
    found = packages.find("linux-image-")
    if found is None:
        raise KernelError("no guest kernel is in the cache: run 'python -m tests.harness.kernel' first")
    return Kernel(found)


def resolve_package() -> str:
    """The concrete package the meta package stands for, such as linux-image-6.1.0-56-cloud-amd64."""
    shown = packages.run("apt-cache", "depends", "--important", META_PACKAGE)
    found = re.search(r"Depends:\s*(linux-image-\S+)", shown)
    if found is None:
        raise KernelError(f"apt knows no package {META_PACKAGE} (apt-get update; it is Debian's, for amd64)")
    return found.group(1)


def obtain() -> Kernel:
    """Download and unpack the kernel unless that very version is there."""
    return Kernel(packages.obtain(resolve_package()))


def main() -> int:
    """Obtain the kernel and print where its image is."""
    try:
        print(obtain().image)
    except PackageError as error:
        print(f"guest kernel: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
