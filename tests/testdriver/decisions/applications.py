"""The answers of the applications."""

from __future__ import annotations

from tests.testdriver import situations as at
from tests.testdriver.decision_table import (
    EXCEPTION,
    S_FALSE,
    S_OK,
    never,
    rows,
)
from tests.testdriver.support import VPC, VS

for _products, _interface, _name, _version in (
    ((VS,), "IVMVirtualServer", "Virtual Server", "1.1.603.0 EE"),
    ((VPC,), "IVMVirtualPC", "Windows Virtual PC", "6.1.7600.0"),
):
    rows(_products, _interface, "Name", (at.running, S_OK, _name), (at.no_server, S_OK, _name))
    rows(_products, _interface, "Version", (at.running, S_OK, _version), (at.no_server, S_OK, _version))
    rows(_products, _interface, "VirtualMachines", (at.running, S_OK), (at.no_server, S_OK))
    rows(
        _products,
        _interface,
        "FindVirtualMachine",
        (at.running, S_OK),
        (at.running, S_FALSE, None, ("nobody",)),
        (at.undefined, S_FALSE, None),
        (at.dead_daemon, EXCEPTION),
        (at.no_server, EXCEPTION),
    )
    rows(_products, _interface, "UpTime", (at.running, S_OK), (at.no_server, EXCEPTION))
    never(
        _products,
        _interface,
        "Name Version VirtualMachines",
        "DISP_E_EXCEPTION",
        "it asks nobody: what is handed out asks the server when it is used",
    )
never(
    (VPC,),
    "IVMVirtualPC",
    "Name Version VirtualMachines FindVirtualMachine UpTime",
    "VM_E_HARDWARE_VIRTUALIZATION_DISABLED",
    "libvirt runs guests without hardware virtualization too",
)
rows(
    (VS,),
    "IVMVirtualServer",
    "AvailableSystemCapacity",
    (at.running, S_OK, 50.0),
    (at.no_server, EXCEPTION),
    (at.dead_daemon, EXCEPTION),
)
