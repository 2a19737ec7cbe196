"""A process that makes, renames, unregisters, registers and deletes machines until it is killed.

It begins as anybody would after a crash: it looks at what is there, and goes on with it.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import vpcshim
from vpcshim import HRESULT, ComError
from vpcshim.migrate import vmc

GUID = "hardware/bios/bios_guid"
ROOT = "C:\\"


class Journal:
    """What the process did, a line for each step: what is written survives the process."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def say(self, text: str) -> None:
        os.write(self._fd, f"{text}\n".encode())


def adopt(server: Any, folder: Path, journal: Journal) -> None:
    """Register every file that no machine has; the second file of a machine is what a rename left."""
    known = {machine.File for machine in server.VirtualMachines if machine.Name != "test"}
    identities = {machine.ConfigID for machine in server.VirtualMachines}
    for file in sorted(folder.glob("*.vmc")):
        if f"C:\\{file.name}" in known:
            continue
        if vmc.read(file.read_bytes())[GUID] in identities:
            file.unlink()
            continue
        journal.say(f"adopting {file.name}")
        identities.add(server.RegisterVirtualMachine("", f"C:\\{file.name}").ConfigID)


def churn(uri: str, folder: Path, journal_path: Path, seed: int, environment: dict[str, str]) -> None:
    """Go on until killed; what goes wrong is said in the journal."""
    os.environ.update(environment)
    journal = Journal(journal_path)
    try:
        _churn(uri, folder, journal, random.Random(seed))
    except BaseException as error:  # whatever it is, the test is to see it
        journal.say(f"failed {error!r}".replace("\n", " "))
        raise


def _churn(uri: str, folder: Path, journal: Journal, chance: random.Random) -> None:
    server: Any = vpcshim.CreateObject("VirtualServer.Application", uri, drives={"C:": str(folder)})
    adopt(server, folder, journal)
    journal.say("ready")
    while True:
        machines = [machine for machine in server.VirtualMachines if machine.Name != "test"]
        step = chance.choice(("create", "rename", "unregister", "delete")) if len(machines) > 2 else "create"
        name = f"m{chance.randrange(10**9)}"
        if step == "create":
            journal.say(f"kept {server.CreateVirtualMachine(name, ROOT).ConfigID}")
            continue
        machine = chance.choice(machines)
        identity, file = machine.ConfigID, machine.File
        if step == "rename":
            journal.say("renaming")
            try:
                machine.Name = name
            except ComError as error:
                if error.scode != HRESULT.VM_E_CONFIG_DUPLICATE_NAME:
                    raise
        elif step == "unregister":
            journal.say("unregistering")
            server.UnregisterVirtualMachine(machine)
            journal.say("registering")
            server.RegisterVirtualMachine("", file)
        elif len(machines) > 6:
            journal.say(f"deleting {identity}")
            server.DeleteVirtualMachine(machine)
