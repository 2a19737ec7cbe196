"""What a script loads that creates the application and reads counters: nothing that only other members need."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

# Modules, and packages with all that is in them, whose loading would cost every start for the sake of few.
LATE = (
    "vpcshim.migrate",
    "vpcshim.model.configuration",
    "vpcshim.model.devices",
    "vpcshim.model.fitting",
    "vpcshim.model.images",
    "vpcshim.model.registration",
    "vpcshim.model.vmcfiles",
    "vpcshim.model.events.connect",
    "vpcshim.hypervisor.capabilities",
    "vpcshim.hypervisor.disks",
    "vpcshim.hypervisor.domainbuild",
    "vpcshim.hypervisor.hardware",
    "vpcshim.hypervisor.hostcaps",
    "vpcshim.hypervisor.hostfacts",
    "vpcshim.hypervisor.interfaces",
    "vpcshim.hypervisor.networks",
    "vpcshim.hypervisor.overlays",
    "vpcshim.hypervisor.qemuimg",
    "vpcshim.hypervisor.screen",
    "vpcshim.hypervisor.undojournal",
    "vpcshim.hypervisor.usb",
    "json",
    "locale",
    "platform",
    "secrets",
    "subprocess",
    "uuid",
)
LOADED = "import sys; print(*sys.modules, file=sys.stderr)"
SCRIPT = f"""
import vpcshim
application = vpcshim.CreateObject({{progid!r}}, "test:///default")
for machine in application.VirtualMachines:
    print(machine.Name, machine.State, machine.Accountant.NetworkBytesSent)
{LOADED}
"""
COMMAND = f"""
from vpcshim.cli.main import main
main(["--connect", "test:///default", "accountant", "--columns", "net-sent", "--csv"])
{LOADED}
"""


def loaded_by(code: str) -> tuple[str, set[str]]:
    """What it printed, and the modules that it had loaded by its end."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return result.stdout, set(result.stderr.split())


def late(modules: set[str]) -> list[str]:
    return sorted(module for module in modules if f"{module}.".startswith(tuple(f"{name}." for name in LATE)))


@pytest.mark.parametrize("progid", ["VirtualServer.Application", "VirtualPC.Application"])
def test_a_script_that_reads_counters_loads_no_more_than_it_needs(progid: str) -> None:
    out, modules = loaded_by(SCRIPT.format(progid=progid))
    assert out.startswith("test ")
    assert "vpcshim.model.app.disks" in modules  # the members are declared, all of them
    assert late(modules) == []


def test_nor_does_the_command_line() -> None:
    out, modules = loaded_by(COMMAND)
    assert "test" in out
    assert "vpcshim.model.sweep" in modules
    assert [name for name in late(modules) if name.startswith("vpcshim.")] == []


def test_what_is_loaded_late_is_loaded_when_it_is_used() -> None:
    use = SCRIPT.replace(LOADED, f"application.HostInfo.PhysicalProcessorCount\n{LOADED}")
    _, modules = loaded_by(use.format(progid="VirtualServer.Application"))
    assert "vpcshim.model.devices.host_info" in late(modules)


@pytest.mark.parametrize("name", LATE)
def test_what_is_loaded_late_exists(name: str) -> None:
    assert importlib.util.find_spec(name) is not None
