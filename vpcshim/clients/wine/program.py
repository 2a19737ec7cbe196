"""The host program: the one that was installed with vpcshim, else built here once from the source that was."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from vpcshim.clients.wine.installation import NoWine, cache, locked

HOME = Path(__file__).parent / "host"
SOURCES = ("host.c", "proxy.c", "wire.c")
COMPILER = "x86_64-w64-mingw32-gcc"
FLAGS = ("-std=c11", "-O2", "-s", "-Wall", "-Wextra", "-mwindows")
# The engines use the C stack for the calls of a script.
HOST_FLAGS = ("-Wl,--stack,67108864",)
LIBRARIES = ("-lole32", "-loleaut32", "-luuid")
NAME = "vpcshim-host.exe"


# The in-process COM server of genuine Windows: built with the compiler of its bitness, and these.
SERVER_SOURCES = ("inproc.c", "proxy.c", "wire.c")
SERVER_FLAGS = ("-DVPCSHIM_TCP", "-shared", "-static-libgcc", "-Wl,--kill-at")
SERVER_LIBRARIES = (*LIBRARIES, "-lws2_32", "-ladvapi32")


def path() -> Path:
    """The host program.

    Raises:
        NoWine: It was not installed, and cannot be built.
    """
    installed = HOME / NAME
    if installed.is_file():
        return installed
    digest = hashlib.sha256()
    digest.update(repr((FLAGS, HOST_FLAGS)).encode())
    for file in sorted(HOME.glob("*.[ch]")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    base = cache()
    built = base / f"host-{digest.hexdigest()[:16]}.exe"
    if not built.is_file():
        with locked(base / "host.lock"):
            if not built.is_file():
                build(built)
    return built


def build(target: Path) -> None:
    """Compile the host program; `target` is there only when it is whole. Raises NoWine."""
    compiler = os.environ.get("VPCSHIM_MINGW") or shutil.which(COMPILER)
    if compiler is None:
        raise NoWine(f"the script host is built once, with {COMPILER}: apt install gcc-mingw-w64-x86-64")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / NAME
        sources = [str(HOME / name) for name in SOURCES]
        command = [compiler, *FLAGS, *HOST_FLAGS, "-o", str(made), *sources, *LIBRARIES]
        told = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if told.returncode:
            raise NoWine(f"the script host does not compile: {told.stderr.strip()[-500:]}")
        made.replace(target)
