"""Our VBScript and JScript scripts on a real guest: the same as on the test driver."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.guests import GuestFactory, Nic, PrivateLibvirtd
from vpcshim.clients.wine import installation, program
from vpcshim.clients.wine.installation import NoWine

SCRIPTS = Path(__file__).parents[2] / "fixtures" / "scripts"


@pytest.fixture(scope="session")
def wine_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the session's own: a wineserver outside of these namespaces cannot serve processes inside."""
    try:
        installation.find()
        program.path()
    except NoWine as error:
        pytest.skip(str(error))
    return tmp_path_factory.mktemp("cache")


def run(cache: Path, script: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "vpcshim",
        "--connect",
        PrivateLibvirtd.uri,
        "run",
        "--batch",
        str(SCRIPTS / script),
    ]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(
        [*command, *args], env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def test_scripts_on_a_guest(guest_factory: GuestFactory, host_bridge: str, wine_cache: Path) -> None:
    guest = guest_factory(nics=(Nic("bridge", "52:54:00:aa:01:01", host_bridge),))
    guest.send_frames(0, 10, 100)
    for language in ("vbs", "js"):
        inventory = run(wine_cache, f"inventory.{language}")
        assert (inventory.returncode, inventory.stderr) == (0, "")
        assert f"{guest.name} (running) " in inventory.stdout
        accounts = run(wine_cache, f"accounting.{language}", guest.name.upper())
        assert (accounts.returncode, accounts.stderr) == (0, "")
        assert accounts.stdout.split(";")[:2] == [guest.name, "1000"]
        errors = run(wine_cache, f"errors.{language}", guest.name)
        assert errors.returncode == 1
        assert f"start twice: A0040500 {guest.name} is running already" in errors.stdout
        assert f"VM_E_VM_RUNNING (0xA0040500): {guest.name} is running already" in errors.stderr
    for language in ("vbs", "js"):
        followed = run(wine_cache, f"events.{language}", guest.name)
        assert (followed.returncode, followed.stderr) == (0, "")
        states = [line.split()[-1] for line in followed.stdout.splitlines() if line.startswith("machine")]
        assert states[-4:] == ["8", "1", "3", "5"]
        switched = run(wine_cache, f"startstop.{language}", guest.name)
        assert (switched.returncode, switched.stderr) == (0, "")
        assert switched.stdout.splitlines() == [
            "is 5",
            f"Turning off {guest.name} -1 100 1",
            f"Starting {guest.name} 0 5",
            "paused 6",
            "resumed 5",
        ]
