"""A kernel for the guests, taken from a Debian package without installing it.

``python -m tests.harness.kernel`` downloads it with apt into a cache folder.  That has to happen before the tests:
inside their namespaces there is no network.  The tests only look the kernel up.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

META_PACKAGE = "linux-image-cloud-amd64"
DOWNLOAD_SECONDS = 300.0


class KernelError(Exception):
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


def cache_folder() -> Path:
    """Where kernels are kept: VPCSHIM_TEST_CACHE, else below the user's cache folder."""
    own = os.environ.get("VPCSHIM_TEST_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vpcshim-tests"


def find_kernel() -> Kernel:
    """The newest kernel in the cache."""
    found = sorted(cache_folder().glob("linux-image-*"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise KernelError("no guest kernel is in the cache: run 'python -m tests.harness.kernel' first")
    return Kernel(found[-1])


def _run(*command: str, cwd: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KernelError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise KernelError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def resolve_package() -> str:
    """The concrete package the meta package stands for, such as linux-image-6.1.0-56-cloud-amd64."""
    shown = _run("apt-cache", "depends", "--important", META_PACKAGE)
    found = re.search(r"Depends:\s*(linux-image-\S+)", shown)
    if found is None:
        raise KernelError(f"apt knows no package {META_PACKAGE} (apt-get update; it is Debian's, for amd64)")
    return found.group(1)


def obtain() -> Kernel:
    """Download and unpack the kernel unless that very version is there; whole or not at all."""
    name = resolve_package()
    version = _run("apt-cache", "show", "--no-all-versions", name)
    found = re.search(r"^Version:\s*(\S+)", version, re.MULTILINE)
    label = f"{name}_{found.group(1) if found else 'unknown'}"
    cache = cache_folder()
    target = cache / label
    if target.is_dir():
        return Kernel(target)
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=cache))
    try:
        # apt's own sandbox user cannot write here, and says so at length.
        _run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name, cwd=work)
        package = next(iter(work.glob("*.deb")))
        _run("dpkg-deb", "-x", str(package), str(work / "x"))
        os.replace(work / "x", target)
    except OSError as error:
        if not target.is_dir():  # else someone else was faster, with the same bytes
            raise KernelError(str(error)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Kernel(target)


def main() -> int:
    """Obtain the kernel and print where its image is."""
    try:
        print(obtain().image)
    except KernelError as error:
        print(f"guest kernel: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
