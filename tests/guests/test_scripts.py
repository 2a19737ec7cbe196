"""Our scripts in VBScript, JScript and Python on a real guest: the same in each, and as on the test driver."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import needs
from tests.harness.guests import Disk, GuestFactory, Nic, PrivateLibvirtd, remove_domain
from tests.testdriver.alike import LANGUAGES, SCRIPTS, WINES, Ran, no_wine, ran

Run = Callable[..., dict[str, Ran]]  # a script and its arguments: the outcome in each language


@pytest.fixture(scope="session")
def languages(own_cache: Path) -> dict[str, Path]:
    """The cache of each language's runs."""
    return dict.fromkeys(LANGUAGES if no_wine() is None else ("py",), own_cache)


@pytest.fixture
def run(languages: dict[str, Path], tmp_path: Path) -> Iterator[Run]:
    """Runs a script in each language, the test's folder as drive C:; that Wine is missing is told at the end."""

    def go(
        script: str, *args: str, between: Callable[[], object] = lambda: None, only: str | None = None
    ) -> dict[str, Ran]:
        outcomes = {}
        for language, cache in languages.items():
            if only not in (None, language):
                continue
            file = SCRIPTS / f"{script}.{language}"
            options = ["--connect", PrivateLibvirtd.uri, "run", "--batch", "--drive", f"C:={tmp_path}"]
            environment = {
                **os.environ,
                "XDG_CACHE_HOME": str(cache),
                "XDG_CONFIG_HOME": str(tmp_path / "config"),
                "XDG_DATA_HOME": str(tmp_path / "data"),
            }
            done = subprocess.run(
                [sys.executable, "-m", "vpcshim", *options, str(file), *args],
                env=environment,
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
            outcomes[language] = ran(file.name, done.returncode, done.stdout, done.stderr)
            between()
        return outcomes

    yield go
    if not set(languages) >= set(WINES):
        needs.missing(f"only Python was compared: {no_wine()}")


def same(outcomes: dict[str, Ran], *out: str, code: int = 0, err: str = "") -> None:
    """Each language's outcome is this one."""
    assert outcomes
    assert outcomes == dict.fromkeys(outcomes, Ran(code, out, err))


def test_reports_and_errors(guest_factory: GuestFactory, host_bridge: str, run: Run, connection: Any) -> None:
    guest = guest_factory(nics=(Nic("bridge", "52:54:00:aa:01:01", host_bridge),))
    guest.send_frames(0, 10, 100)
    inventory = run("inventory")
    name, uuid = guest.name, guest.domain.UUIDString()
    first = inventory["py"]
    same(inventory, *first.out)
    assert first.out[0] == f"Virtual Server: {len(connection.listAllDomains())} machines"
    assert f"{name} (running) {{{uuid}}}" in first.out

    accounts = run("accounting", name.upper())
    first = accounts["py"]
    for one in accounts.values():
        # What the bridge itself sends meanwhile is received; nothing else happens.
        assert (one.code, one.err) == (0, "")
        assert one.out[0].split(";")[:2] == [name, "1000"]
        assert one.out[0].split(";")[3:] == first.out[0].split(";")[3:]
    same(run("accounting", "/unit:MB", name), f"{name};0.0;0.0;0.0;0.0")

    for one in run("errors", name).values():
        assert one.code == 1
        assert one.err == f"at startup: VM_E_VM_RUNNING (0xA0040500): {name} is running already\n"
        assert one.out[0] == "find: fine"
        assert one.out[2:4] == (
            f"start twice: A0040500 {name} is running already",
            f"resume: 80004005 {name} is not paused",
        )


def test_power_and_events(guest_factory: GuestFactory, run: Run) -> None:
    name = guest_factory().name
    same(
        run("startstop", name),
        "is 5",
        f"Turning off {name} -1 100 1",
        f"Starting {name} 0 5",
        "paused 6",
        "resumed 5",
    )
    states = [line for state in (8, 1, 3, 5) for line in (f"server {name} {state}", f"machine {state}")]
    same(run("events", name), *states, "done")


def test_media_of_a_running_guest(guest_factory: GuestFactory, run: Run, tmp_path: Path) -> None:
    guest = guest_factory(disks=(Disk("hdc", device="cdrom"), Disk("fda", device="floppy")))
    (tmp_path / "one.iso").write_bytes(b"one".ljust(2048, b".") + bytes(64 << 10))
    same(
        run("media", guest.name, r"C:\one.iso", r"/floppy:C:\disk.vfd", between=(tmp_path / "disk.vfd").unlink),
        f"{guest.name}: 1 DVD, 1 floppy",
        "before: DVD 1:0 holds nothing",
        r"attached: DVD 1:0 holds C:\one.iso",
        "released: DVD 1:0 holds nothing",
        "before: floppy 0 holds nothing",
        r"attached: floppy 0 holds C:\disk.vfd",
        "released: floppy 0 holds nothing",
    )


def test_from_a_disk_to_a_running_guest(run: Run, connection: Any, libvirt_network: str, tmp_path: Path) -> None:
    """A guest for each network: the one asked for, and none."""
    found: list[Any] = []

    def look() -> None:
        domain = connection.lookupByName("made")
        found.append((domain.isActive(), domain.info()[1] // 1024, domain.XMLDesc()))
        remove_domain(domain)
        for file in (tmp_path / "VMs" / "made").iterdir():
            file.unlink()

    for option, network in (((), "not connected"), ((f"/network:{libvirt_network}",), libvirt_network)):
        same(
            run("provision", "made", r"C:\VMs\made", "/disk:16", *option, between=look),
            r"created made: C:\VMs\made\made.vmc",
            r"disk 0:0 C:\VMs\made\made.vhd, 16777216 bytes",
            "memory 64, notes: made by provision",
            f"adapter 1 of 1: {network}",
            "started: 5",
        )
        for active, memory, xml in found:
            assert (active, memory) == (1, 64)
            assert f"file='{tmp_path}/VMs/made/made.vhd'" in xml
            assert "<description>made by provision</description>" in xml
            assert (f"<source network='{libvirt_network}'" in xml) is bool(option)
        assert found
        found.clear()


def test_what_was_provisioned_in_one_language_is_taken_away_in_another(
    run: Run, languages: dict[str, Path], connection: Any, tmp_path: Path
) -> None:
    names = tuple(languages)
    for maker, remover in zip(names, names[1:] + names[:1], strict=True):
        name = f"made-{maker}"
        (made,) = run("provision", name, rf"C:\VMs\{name}", "/disk:3", only=maker).values()
        assert (made.code, made.err, made.out[-1]) == (0, "", "started: 5")
        same(run("provision", name, rf"C:\VMs\{name}"), code=3, err=f"{name} is there already\n")
        left = rf"left behind: C:\VMs\{name}\{name}.vhd"
        gone = run("provision", name, "/remove", only=remover)
        assert gone == {remover: Ran(0, ("turned off: 1", left, f"removed {name}"), "")}
        same(run("provision", name, "/remove", only=maker), code=3, err=f"no machine named {name}\n")
        assert [path.name for path in (tmp_path / "VMs" / name).iterdir()] == [f"{name}.vhd"]
        assert name not in [domain.name() for domain in connection.listAllDomains()]
