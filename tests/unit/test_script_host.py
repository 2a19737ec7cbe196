"""Where the script host comes from: what is said when something is missing, and whose the cache is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness import needs
from vpcshim.clients.wine import installation, program
from vpcshim.clients.wine.installation import NoWine


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vpcshim"


def test_the_cache_is_the_users_alone(cache: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o755)
    assert installation.cache() == cache
    assert cache.stat().st_mode & 0o777 == 0o700


def test_a_cache_that_cannot_be_made_is_named(cache: Path) -> None:
    cache.parent.write_text("a file in its way")
    with pytest.raises(NoWine, match=r"cannot be used: Not a directory: set XDG_CACHE_HOME to a folder"):
        installation.cache()


def test_a_cache_that_cannot_be_written_is_named(cache: Path) -> None:
    (cache / "wine.lock").mkdir(parents=True)  # a file system that is read-only refuses the same call
    with pytest.raises(NoWine, match=r"vpcshim cannot be used: Is a directory: set XDG_CACHE_HOME to a folder"):
        installation.prefix(installation.Wine("wine", None, "wine-8.0"))


def test_without_wine_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_program", lambda _name: None)
    monkeypatch.delenv("VPCSHIM_WINE", raising=False)
    with pytest.raises(NoWine, match=r"no Wine here: apt install .*wine wine64 gcc-mingw-w64-x86-64"):
        installation.find()


def test_a_wine_that_does_not_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPCSHIM_WINE", "/bin/false")
    with pytest.raises(NoWine, match=r"/bin/false does not run: .*VPCSHIM_WINE"):
        installation.find()


def test_wine_is_never_to_update_what_is_linked_to_its_own_files(tmp_path: Path) -> None:
    loader = tmp_path / "wine"
    loader.write_text(
        '#!/bin/sh\ntouch "$WINEPREFIX/system.reg"\necho 1676758571 > "$WINEPREFIX/.update-timestamp"\n'
    )
    loader.chmod(0o755)
    made = installation.prefix(installation.Wine(str(loader), None, "wine-8.0"))
    assert (made / ".update-timestamp").read_text() == "disable\n"


def test_without_a_compiler_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_named: None)
    monkeypatch.delenv("VPCSHIM_MINGW", raising=False)
    with pytest.raises(NoWine, match="gcc-mingw-w64"):
        program.path()


def test_a_compiler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPCSHIM_MINGW", "/there/is/no/compiler")
    with pytest.raises(NoWine, match="/there/is/no/compiler does not run: No such file"):
        program.path()


def test_a_program_that_does_not_compile_is_not_kept(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("VPCSHIM_MINGW", "/bin/false")
    with pytest.raises(NoWine, match="does not compile"):
        program.path()
    assert not list(cache.glob("*.exe"))


@pytest.mark.parametrize(
    ("compiler", "package"),
    [(program.COMPILER, "gcc-mingw-w64-x86-64"), ("i686-w64-mingw32-gcc", "gcc-mingw-w64-i686")],
)
@pytest.mark.parametrize("server", [False, True])
def test_the_sources_compile_without_a_warning(compiler: str, package: str, server: bool, tmp_path: Path) -> None:
    needs.program(compiler, package)
    names = program.SERVER_SOURCES if server else program.SOURCES
    flags = (*program.FLAGS, *program.SERVER_FLAGS) if server else program.FLAGS
    libraries = program.SERVER_LIBRARIES if server else program.LIBRARIES
    sources = [str(program.HOME / name) for name in names]
    command = [compiler, *flags, "-Werror", "-o", str(tmp_path / "made"), *sources, *libraries]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
