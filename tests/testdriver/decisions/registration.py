"""The answers of how machines come and go, and of the files that the application finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import libvirt

from tests.testdriver import situations as at
from tests.testdriver.decision_table import (
    ANY,
    BOTH,
    EXCEPTION,
    IS_RUNNING,
    S_FALSE,
    S_OK,
    UNKNOWN,
    never,
    rows,
)
from tests.testdriver.situations import Bench
from tests.testdriver.support import VPC, VS, application, find
from vpcshim import HRESULT
from vpcshim.com.object import ComObject
from vpcshim.model.machine import identity
from vpcshim.model.virtual_machine import VirtualMachine

_FIXTURES = Path(__file__).parents[3] / "fixtures"
_SETTER = "of the setter alone: test_registration.py"
# The machine `web` of whatever situation is made: a row's arguments are there before that is.
WEB: VirtualMachine = object.__new__(VirtualMachine)


def _at_home(bench: Bench) -> None:
    """Preferences of the test's own, and its folder as drive C:, with a .vmc in it."""
    bench.patch.setenv("XDG_CONFIG_HOME", str(bench.folder / "config"))
    bench.patch.setenv("XDG_DATA_HOME", str(bench.folder / "data"))
    bench.patch.setenv("VPCSHIM_DRIVES", f"C:={bench.folder / 'c'}")
    (bench.folder / "c").mkdir()
    shutil.copy(_FIXTURES / "windows-virtual-pc.vmc", bench.folder / "c" / "there.vmc")


def _holding(bench: Bench, app: ComObject) -> ComObject:
    assert bench.made is not None
    WEB.__dict__.update(find(application(bench.made, bench.product), "web").__dict__)
    return app


def running(bench: Bench) -> ComObject:
    """web runs."""
    _at_home(bench)
    return _holding(bench, at.running(bench))


def off(bench: Bench) -> ComObject:
    """web is off."""
    _at_home(bench)
    return _holding(bench, at.off(bench))


def saved(bench: Bench) -> ComObject:
    """web is saved."""
    _at_home(bench)
    return _holding(bench, at.saved(bench))


def gone(bench: Bench) -> ComObject:
    """web was undefined by somebody else, while we hold it."""
    app = off(bench)
    assert bench.made is not None
    with bench.made.connection() as connect:
        connect.lookupByName("web").undefine()
    return app


def dead_daemon(bench: Bench) -> ComObject:
    """The daemon has died under the connection."""
    app = running(bench)
    bench.raises(libvirt.virConnect, at._LOOKUPS, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC)
    return app


def registered(bench: Bench) -> ComObject:
    """C:\\there.vmc is registered."""
    app = running(bench)
    app.RegisterVirtualMachine("there", "C:\\")
    return app


def damaged_preferences(bench: Bench) -> ComObject:
    """Somebody wrote something else into the file of the preferences."""
    app = running(bench)
    folder = bench.folder / "config" / "vpcshim"
    folder.mkdir(parents=True)
    (folder / f"{bench.product.value}.json").write_text("{")
    return app


def saved_file(bench: Bench) -> ComObject:
    """The saved state of web stands in a file of this host, as libvirt's QEMU driver keeps it."""
    obj = at.saved(bench)
    assert bench.made is not None
    (bench.folder / "web.save").touch()
    bench.patch.setitem(identity._SAVED_STATES, bench.made.uri, bench.folder)
    return obj


def _paths(situation: at.Situation) -> tuple[tuple[object, ...], ...]:
    return (
        (situation, HRESULT.E_PATH_NOT_FOUND, ANY, ("db", "Z:\\VMs")),
        (situation, HRESULT.E_INVALID_NAME, ANY, ("db", "C:\\a*b")),
        (situation, HRESULT.E_BAD_PATHNAME, ANY, ("db", "VMs")),
        (situation, HRESULT.E_BUFFER_OVERFLOW, ANY, ("db", "C:\\" + "x" * 260)),
        (situation, HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR, ANY, ("a?b", "C:\\")),
        (situation, HRESULT.VM_E_CONFIG_DUPLICATE_NAME, ANY, ("WEB", "C:\\")),
        (dead_daemon, EXCEPTION, ANY, ("db", "C:\\")),
    )


_FILES = "GetHardDiskFiles GetDVDFiles GetFloppyDiskFiles"
_EVERY = (((VS,), "IVMVirtualServer"), ((VPC,), "IVMVirtualPC"))

for _products, _interface in _EVERY:
    rows(
        _products,
        _interface,
        "CreateVirtualMachine",
        (running, S_OK, ANY, ("db", "C:\\VMs")),
        (running, S_OK, ANY, ("", "C:\\VMs\\db.vmc")),
        (running, HRESULT.E_ALREADY_EXISTS, ANY, ("there", "C:\\")),
        *_paths(running),
    )
    rows(
        _products,
        _interface,
        "RegisterVirtualMachine",
        (running, S_OK, ANY, ("there", "C:\\")),
        (running, S_OK, ANY, ("other", "C:\\there.vmc")),
        (running, HRESULT.E_FILE_NOT_FOUND, ANY, ("db", "C:\\")),
        (registered, HRESULT.E_ALREADY_EXISTS, ANY, ("other", "C:\\there.vmc")),
        *_paths(running),
    )
    rows(
        _products,
        _interface,
        "DeleteVirtualMachine",
        (off, S_OK, ANY, (WEB,)),
        (saved, S_OK, ANY, (WEB,)),
        (gone, S_FALSE, ANY, (WEB,)),
        (running, IS_RUNNING, ANY, (WEB,)),
        (dead_daemon, EXCEPTION, ANY, (WEB,)),
    )
    rows(
        _products,
        _interface,
        "UnregisterVirtualMachine",
        (off, S_OK, ANY, (WEB,)),
        (running, IS_RUNNING, ANY, (WEB,)),
        (saved, EXCEPTION, ANY, (WEB,)),
        (dead_daemon, EXCEPTION, ANY, (WEB,)),
    )
    rows(
        _products,
        _interface,
        _FILES,
        (running, S_OK, (), ((),)),
        (running, HRESULT.E_INVALIDARG, ANY, ("C:\\",)),
        (damaged_preferences, EXCEPTION, ANY, ((),)),
    )
    rows(
        _products,
        _interface,
        "GetVirtualMachineFiles",
        (running, S_OK, ("C:\\there.vmc",), (("C:\\",), True)),
        (registered, S_OK, (), (("C:\\",), True)),
        (registered, S_OK, ("C:\\there.vmc",), (("C:\\",), False)),
        (running, HRESULT.E_INVALIDARG, ANY, (None, True)),
        (dead_daemon, EXCEPTION, ANY, (("C:\\",), True)),
    )
    rows(_products, _interface, "SearchPaths", (running, S_OK, ()), (damaged_preferences, EXCEPTION))
    never(
        _products,
        _interface,
        "SearchPaths",
        "E_INVALIDARG E_PATH_NOT_FOUND E_INVALID_NAME E_BAD_PATHNAME E_BUFFER_OVERFLOW",
        _SETTER,
    )
    never(
        _products, _interface, "SearchPaths", "VM_E_PREF_NOT_FOUND", "none that were set are none: an empty array"
    )
    rows(_products, _interface, "DefaultVMConfigurationPath", (running, S_OK), (damaged_preferences, EXCEPTION))
    never(
        _products,
        _interface,
        "DefaultVMConfigurationPath",
        "E_PATH_NOT_FOUND E_INVALID_NAME E_BAD_PATHNAME E_BUFFER_OVERFLOW",
        _SETTER,
    )
    never(
        _products,
        _interface,
        "SearchPaths DefaultVMConfigurationPath",
        "E_FILE_NOT_FOUND",
        "a folder that is not there is E_PATH_NOT_FOUND",
    )

rows((VS,), "IVMVirtualServer", "UnregisterVirtualMachine", (gone, S_FALSE, ANY, (WEB,)))
rows(
    (VPC,),
    "IVMVirtualPC",
    "CreateVirtualMachine RegisterVirtualMachine",
    (running, HRESULT.VM_E_CONFIG_NAME_TOO_LONG, ANY, ("x" * 81, "C:\\")),
)
never(
    (VPC,), "IVMVirtualPC", "CreateVirtualMachine", "VM_E_CONFIG_NO_NAME", "without a name the path is the file's"
)
rows((VS,), "IVMVirtualServer", "DefaultVNConfigurationPath", (running, S_OK))
never(
    (VS,), "IVMVirtualServer", "DefaultVNConfigurationPath", "DISP_E_EXCEPTION", "it cannot be set and asks nobody"
)
rows(
    (VS,),
    "IVMVirtualServer",
    "GetVirtualNetworkFiles",
    (running, S_OK, (), ((), False)),
    (running, HRESULT.E_INVALIDARG, ANY, ("C:\\", False)),
    (damaged_preferences, EXCEPTION, ANY, ((), True)),
)

_M = "IVMVirtualMachine"
rows(
    BOTH,
    _M,
    "SavedStateFilePath",
    (saved_file, S_OK),
    (at.saved, EXCEPTION),  # the test driver keeps it in no file
    (at.off, HRESULT.VM_E_VM_NO_SAVED_STATE),
    (at.running, HRESULT.VM_E_VM_NO_SAVED_STATE),
    (at.undefined, UNKNOWN),
    (at.dead_daemon, EXCEPTION),
)
