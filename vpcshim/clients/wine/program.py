"""The programs of the Windows side, built from the sources that were installed with vpcshim.

The host program is built here once, unless it was installed; the in-process servers when they are asked for.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from vpcshim.clients.wine.installation import INSTALL, NoWine, cache, locked

HOME = Path(__file__).parent / "host"
SOURCES = ("host.c", "engine.c", "failure.c", "imports.c", "mended.c", "numbers.c", "proxy.c", "texts.c", "wire.c")
COMPILER = "x86_64-w64-mingw32-gcc"
FLAGS = ("-std=c11", "-O2", "-s", "-Wall", "-Wextra", "-mwindows")
# The engines use the C stack for the calls of a script.
HOST_FLAGS = ("-Wl,--stack,67108864",)
LIBRARIES = ("-lole32", "-loleaut32", "-luuid")
NAME = "vpcshim-host.exe"

# The in-process COM servers of genuine Windows, one for the programs of each bitness, and their compilers.
SERVERS = {"vpcshim64.dll": COMPILER, "vpcshim32.dll": "i686-w64-mingw32-gcc"}
SERVER_SOURCES = ("inproc.c", "failure.c", "proxy.c", "wire.c")
SERVER_FLAGS = ("-shared", "-static-libgcc", "-Wl,--kill-at")
SERVER_LIBRARIES = (*LIBRARIES, "-ladvapi32")
_INSTALL_BOTH = "apt install gcc-mingw-w64-x86-64 gcc-mingw-w64-i686"


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
        why = f"the script host is built once, with {COMPILER}, which is not here"
        raise NoWine(why, f"{INSTALL} (or name one in VPCSHIM_MINGW)")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / NAME
        _compile(compiler, "the script host", made, SOURCES, *FLAGS, *HOST_FLAGS, *LIBRARIES)
        made.replace(target)


def build_servers(folder: Path) -> list[Path]:
    """Compile the in-process COM servers into a folder, and return them. Raises NoWine."""
    made = []
    for name, known in SERVERS.items():
        compiler = shutil.which(known)
        if compiler is None:
            raise NoWine(f"{name} is built with {known}, which is not here", _INSTALL_BOTH)
        _compile(compiler, name, folder / name, SERVER_SOURCES, *FLAGS, *SERVER_FLAGS, *SERVER_LIBRARIES)
        made.append(folder / name)
    return made


def _compile(compiler: str, what: str, target: Path, sources: tuple[str, ...], *options: str) -> None:
    # The sources first: what a library is needed for stands before it.
    command = [compiler, *(str(HOME / name) for name in sources), "-o", str(target), *options]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise NoWine(f"{compiler} does not run: {error.strerror}") from error
    if told.returncode:
        raise NoWine(f"{what} does not compile: {told.stderr.strip()[-500:]}")
