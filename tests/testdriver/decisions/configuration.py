"""The answers of configuration and activation values, of machines and of the applications."""

from __future__ import annotations

from tests.testdriver import situations as at
from tests.testdriver.decision_table import ANY, BOTH, DENIED, EXCEPTION, S_OK, UNKNOWN, never, rows
from tests.testdriver.support import VPC, VS
from vpcshim import HRESULT

_M = "IVMVirtualMachine"
_BAD, _NOT_FOUND = HRESULT.E_INVALIDARG, HRESULT.VM_E_PREF_NOT_FOUND
_RAM, _OWNER, _NOTHING, _NO_KEY = ("hardware/memory/ram_size",), ("acme/owner",), ("acme/nothing",), ("acme//x",)

for _members, _arguments in (
    ("GetConfigurationValue RemoveConfigurationValue GetActivationValue RemoveActivationValue", _OWNER),
    ("SetConfigurationValue SetActivationValue", (*_OWNER, 1)),
):
    rows(BOTH, _M, _members, (at.with_values, S_OK, ANY, _arguments))
    rows(BOTH, _M, _members, (at.undefined, UNKNOWN, ANY, _arguments))
    rows(BOTH, _M, _members, (at.dead_daemon, EXCEPTION, ANY, _arguments))
    rows(BOTH, _M, _members, (at.with_values, _BAD, ANY, (*_NO_KEY, *_arguments[1:])))
rows(
    BOTH,
    _M,
    "GetConfigurationValue",
    (at.off, S_OK, 256, _RAM),
    (at.running, S_OK, 256, _RAM),
    (at.with_values, _NOT_FOUND, ANY, _NOTHING),
    (at.with_values, _NOT_FOUND, ANY, ("acme",)),
)
rows(
    BOTH,
    _M,
    "GetActivationValue",
    (at.running, S_OK, 256, _RAM),
    (at.paused, S_OK, 256, _RAM),
    (at.with_values, _NOT_FOUND, ANY, _NOTHING),
    (at.off, _NOT_FOUND, ANY, _RAM),
    (at.saved, _NOT_FOUND, ANY, _RAM),
)
rows(
    BOTH,
    _M,
    "SetConfigurationValue",
    (at.off, S_OK, ANY, (*_RAM, 128)),
    (at.running, EXCEPTION, ANY, (*_RAM, 128)),
    (at.off, _BAD, ANY, (*_RAM, "128")),
    (at.off, _BAD, ANY, (*_RAM, 0)),
    (at.off, _BAD, ANY, ("hardware/pci_bus/ethernet_adapter/controller_count", 2)),
    (at.off, _BAD, ANY, ("acme/owner", 1.5)),
)
rows(
    BOTH,
    _M,
    "SetActivationValue",
    (at.running, _BAD, ANY, (*_RAM, 128)),
    (at.off, _NOT_FOUND, ANY, (*_OWNER, "me")),
)
rows(
    BOTH,
    _M,
    "RemoveConfigurationValue RemoveActivationValue",
    (at.with_values, _NOT_FOUND, ANY, _NOTHING),
    (at.running, _BAD, ANY, _RAM),
)
rows(BOTH, _M, "RemoveActivationValue", (at.off, _NOT_FOUND, ANY, _OWNER))

rows(BOTH, _M, "Notes", (at.off, S_OK, ""), (at.dead_daemon, EXCEPTION), (at.undefined, UNKNOWN))
never(BOTH, _M, "Notes", "E_INVALIDARG", "of the setter alone: test_configuration.py")

for _products, _application, _number in (((VS,), "IVMVirtualServer", 0xFFFFFFFF), ((VPC,), "IVMVirtualPC", -1)):
    rows(
        _products,
        _application,
        "GetConfigurationValue",
        (at.preferences, S_OK, _number, ("acme/number",)),
        (at.preferences, _NOT_FOUND, ANY, _NOTHING),
        (at.preferences, _NOT_FOUND, ANY, _NO_KEY),
        (at.damaged_preferences, EXCEPTION, ANY, _NOTHING),
    )
    rows(
        _products,
        _application,
        "SetConfigurationValue",
        (at.preferences, S_OK, ANY, ("acme/owner", "me")),
        (at.preferences, _BAD, ANY, (*_NO_KEY, "me")),
        (at.preferences, _BAD, ANY, ("acme", "me")),
        (at.damaged_preferences, EXCEPTION, ANY, ("acme/owner", "me")),
    )
    rows(
        _products,
        _application,
        "RemoveConfigurationValue",
        (at.preferences, S_OK, ANY, ("acme/number",)),
        (at.preferences, _NOT_FOUND, ANY, _NOTHING),
        (at.preferences, _BAD, ANY, _NO_KEY),
        (at.damaged_preferences, EXCEPTION, ANY, ("acme/number",)),
    )
rows((VPC,), "IVMVirtualPC", "SetConfigurationValue", (at.kept_preferences, DENIED, ANY, ("acme/owner", "me")))
rows(
    (VS,), "IVMVirtualServer", "SetConfigurationValue", (at.kept_preferences, EXCEPTION, ANY, ("acme/owner", "me"))
)
