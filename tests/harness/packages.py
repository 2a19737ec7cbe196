"""Debian packages that are unpacked into a cache folder without being installed.

That has to happen before a session enters its namespaces: inside there is no network.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

DOWNLOAD_SECONDS = 300.0


class PackageError(Exception):
    """There is no such package, and why."""


def cache_folder() -> Path:
    """Where packages are kept: VPCSHIM_TEST_CACHE, else below the user's cache folder."""
    own = os.environ.get("VPCSHIM_TEST_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vpcshim-tests"


def find(prefix: str) -> Path | None:
    """The newest package in the cache whose name begins like that; None when there is none."""
    found = sorted(cache_folder().glob(f"{prefix}*"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


def run(*command: str, cwd: Path | None = None) -> str:
    """Run one of apt's programs; what it printed."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackageError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise PackageError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def obtain(name: str) -> Path:
    """Download and unpack a package unless that very version is there; whole or not at all."""
    version = run("apt-cache", "show", "--no-all-versions", name)
    found = re.search(r"^Version:\s*(\S+)", version, re.MULTILINE)
    label = f"{name}_{found.group(1) if found else 'unknown'}"
    cache = cache_folder()
    target = cache / label
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=cache))
    try:
        # apt's own sandbox user cannot write here, and says so at length.
        run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name, cwd=work)
        package = next(iter(work.glob("*.deb")))
        run("dpkg-deb", "-x", str(package), str(work / "x"))
        os.replace(work / "x", target)
    except OSError as error:
        if not target.is_dir():  # else someone else was faster, with the same bytes
            raise PackageError(str(error)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target
