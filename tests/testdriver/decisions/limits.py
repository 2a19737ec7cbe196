"""The answers of the applications' limits and of their language."""

from __future__ import annotations

from tests.testdriver import situations as at
from tests.testdriver.decision_table import ANY, EXCEPTION, S_OK, never, rows
from tests.testdriver.support import VPC, VS

_DEVICES = "MaximumFloppyDrivesPerVM MaximumNumberOfIDEBuses MaximumSerialPortsPerVM MaximumParallelPortsPerVM"
_ASKS_NOBODY = "it asks nobody"

for _products, _interface, _adapters in (((VS,), "IVMVirtualServer", 31), ((VPC,), "IVMVirtualPC", 4)):
    rows(_products, _interface, "MinimumMemoryPerVM", (at.running, S_OK, 4), (at.no_server, S_OK, 4))
    rows(_products, _interface, "MaximumMemoryPerVM", (at.running, S_OK, 3072), (at.no_server, EXCEPTION))
    rows(_products, _interface, "SuggestedMaximumMemoryPerVM", (at.qemu_host, S_OK, 1027), (at.running, EXCEPTION))
    rows(_products, _interface, "MaximumFloppyDrivesPerVM MaximumNumberOfIDEBuses", (at.qemu_host, S_OK, 2))
    rows(_products, _interface, "MaximumSerialPortsPerVM", (at.qemu_host, S_OK, 4))
    rows(_products, _interface, "MaximumParallelPortsPerVM", (at.qemu_host, S_OK, 3))
    rows(_products, _interface, _DEVICES, (at.running, EXCEPTION), (at.no_server, EXCEPTION))
    rows(_products, _interface, "MaximumNetworkAdaptersPerVM", (at.running, S_OK, _adapters))
    never(_products, _interface, "MinimumMemoryPerVM", "DISP_E_EXCEPTION", _ASKS_NOBODY)
rows((VS,), "IVMVirtualServer", "MaximumNumberOfSCSIControllers", (at.running, S_OK, 4))
never(
    (VS,),
    "IVMVirtualServer",
    "MaximumNetworkAdaptersPerVM MaximumNumberOfSCSIControllers DefaultLocale",
    "DISP_E_EXCEPTION",
    _ASKS_NOBODY,
)

rows((VS,), "IVMVirtualServer", "DefaultLocale", (at.running, S_OK, 1033), (at.no_server, S_OK, 1033))
rows(
    (VS,),
    "IVMVirtualServer",
    "QueryLocale",
    (at.running, S_OK, 2057, ("de, en-GB;q=0.8",)),
    (at.running, S_OK, 1033, ("de",)),
    (at.running, EXCEPTION, ANY, ("what?",)),
)
never((VS,), "IVMVirtualServer", "Locale", "S_OK E_FAIL DISP_E_EXCEPTION", "it is only written: test_limits.py")
