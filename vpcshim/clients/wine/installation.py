"""Where Wine is on this machine, and the private prefix that scripts run in."""

from __future__ import annotations

import fcntl
import filecmp
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

# How long a wineserver stays after the last script, in seconds: the next one starts in a tenth of the time.
KEPT = 300
# What scripts need, all at once: who installed Wine alone would only hear next that a compiler is missing.
INSTALL = "apt install --no-install-recommends wine wine64 gcc-mingw-w64-x86-64"
_MOVED = "set XDG_CACHE_HOME to a folder of your own"
_PREFIX_PATIENCE = 300
_PLACES = ("/usr/lib/wine", "/usr/lib64/wine", "/opt/wine-stable/bin", "/usr/local/bin")
_LIBRARIES = ("/usr/lib/x86_64-linux-gnu/wine", "/usr/lib64/wine", "/usr/lib/wine", "/opt/wine-stable/lib64/wine")


class NoWine(Exception):
    """VBScript and JScript cannot be run here; the message says why, and the way out where there is one.

    Attributes:
        why: What is missing or wrong.
        remedy: What to do about it; None where `why` says all there is to say.
    """

    def __init__(self, why: str, remedy: str | None = None) -> None:
        super().__init__(why if remedy is None else f"{why}: {remedy}")
        self.why, self.remedy = why, remedy


@dataclass(frozen=True)
class Wine:
    """An installation of Wine.

    Attributes:
        loader: The program that runs Windows programs.
        server: The wineserver, None where only the loader knows.
        version: What the loader calls itself.
    """

    loader: str
    server: str | None
    version: str

    def environment(self, prefix: Path) -> dict[str, str]:
        """The environment for Wine's programs: this prefix, no display, no offers to install Mono or Gecko."""
        kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
        added = {"WINEPREFIX": str(prefix), "WINEDLLOVERRIDES": "mscoree,mshtml=", "WINEARCH": "win64"}
        kept.setdefault("WINEDEBUG", "-all")
        if self.server is not None:
            added["WINESERVER"] = self.server
        return {**kept, **added}


def find() -> Wine:
    """The Wine of this machine: `VPCSHIM_WINE`, else what is on the PATH or where distributions put it.

    Raises:
        NoWine: There is none.
    """
    loader = os.environ.get("VPCSHIM_WINE") or _program("wine64") or _program("wine")
    if loader is None:
        why = "VBScript and JScript run in Wine's script engines, and there is no Wine here"
        raise NoWine(why, f"{INSTALL} (or name a Wine in VPCSHIM_WINE)")
    try:
        told = subprocess.run(
            [loader, "--version"], capture_output=True, text=True, timeout=30, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        told_why = error.strerror if isinstance(error, OSError) else str(error)
        why = f"{loader} does not run: {told_why}"
        raise NoWine(why, f"name one that does in VPCSHIM_WINE, or {INSTALL}") from error
    return Wine(loader, _program("wineserver64") or _program("wineserver"), told.stdout.strip())


def _program(name: str) -> str | None:
    places = os.pathsep.join((*_PLACES, os.environ.get("PATH", os.defpath)))
    return shutil.which(name, path=places)


def cache() -> Path:
    """The folder for what is made once: the user's alone.

    Raises:
        NoWine: It belongs to somebody else, or cannot be made.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vpcshim"
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = base.stat()
    except OSError as error:
        raise _unusable(base, error) from error
    if status.st_uid != os.geteuid():
        raise NoWine(f"{base} belongs to another user", _MOVED)
    if status.st_mode & 0o077:
        base.chmod(0o700)
    return base


def _unusable(folder: Path, error: OSError) -> NoWine:
    return NoWine(f"{folder} cannot be used: {error.strerror}", _MOVED)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file of the cache, so that two runs do not make the same thing at once.

    Raises:
        NoWine: It cannot be made there.
    """
    try:
        file = path.open("w")
    except OSError as error:
        raise _unusable(path.parent, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def prefix(wine: Wine) -> Path:
    """The private prefix for this version of Wine, made when it is not there (some seconds).

    Raises:
        NoWine: Wine cannot make one.
    """
    base = cache()
    name = hashlib.sha256(f"{wine.version}\n{wine.loader}".encode()).hexdigest()[:12]
    ready = base / f"wine-{name}"
    if ready.is_dir():
        return ready
    with locked(base / "wine.lock"):
        if ready.is_dir():
            return ready
        # Said to whoever sits and waits; a script's own stderr, in a pipe or a file, stays its own.
        waited_for = sys.stderr is not None and sys.stderr.isatty()
        level = logging.WARNING if waited_for else logging.INFO
        logger.log(level, "making Wine's private folder in %s: this takes about 15 seconds, once", base)
        made = Path(tempfile.mkdtemp(prefix="wine-new-", dir=base))
        try:
            _make(wine, made)
            made.rename(ready)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    return ready


def _make(wine: Wine, folder: Path) -> None:
    environment = wine.environment(folder)
    try:
        told = subprocess.run(
            [wine.loader, "wineboot.exe", "--init"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_PREFIX_PATIENCE,
            check=False,
        )
        if wine.server is not None:
            # The prefix is complete when its server has written the registry.
            subprocess.run([wine.server, "-w"], env=environment, timeout=_PREFIX_PATIENCE, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoWine(f"Wine cannot make its prefix: {error}") from error
    if not (folder / "system.reg").is_file():
        last = told.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise NoWine(f"Wine made no prefix{': ' if last else ''}{''.join(last)}")
    # The user's own folders are reached by Z:, not by links out of the prefix.
    users = folder / "drive_c" / "users"
    for link in users.glob("*/*"):
        if link.is_symlink():
            link.unlink()
            link.mkdir()
    # What Wine would bring up to date, it would write through the links of `_share`: as root, into Wine itself.
    # Another version has another prefix.
    (folder / ".update-timestamp").write_text("disable\n")
    _share(folder / "drive_c" / "windows")


def _share(windows: Path) -> None:
    """Make links of the libraries that Wine copied out of its own folder: 600 MiB less in each user's cache."""
    for folder, names in (("system32", "x86_64-windows"), ("syswow64", "i386-windows")):
        home = next((Path(place, names) for place in _LIBRARIES if Path(place, names).is_dir()), None)
        if home is None:
            continue
        for copy in (windows / folder).rglob("*"):
            original = home / copy.name
            if copy.is_symlink() or not copy.is_file() or not original.is_file():
                continue
            if filecmp.cmp(copy, original, shallow=False):
                copy.unlink()
                copy.symlink_to(original)


def keep_server(wine: Wine, environment: dict[str, str]) -> None:
    """Have a wineserver that stays for `KEPT` seconds after its last client, one that runs already included."""
    if wine.server is not None:
        subprocess.run(
            [wine.server, f"-p{KEPT}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
