"""HRESULTs and the constants of the type libraries: names and numbers as documented."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

import vpcshim
from vpcshim import constants
from vpcshim.com.errors import Failure, describe_code
from vpcshim.com.hresult import HRESULT


@pytest.mark.parametrize(
    ("name", "unsigned", "signed"),
    [
        ("S_OK", 0, 0),
        ("S_FALSE", 1, 1),
        ("E_POINTER", 0x80004003, -2147467261),
        ("E_UNEXPECTED", 0x8000FFFF, -2147418113),
        ("E_ACCESSDENIED", 0x80070005, -2147024891),
        ("E_INVALIDARG", 0x80070057, -2147024809),
        ("DISP_E_UNKNOWNNAME", 0x80020006, -2147352570),
        ("DISP_E_EXCEPTION", 0x80020009, -2147352567),
        ("DISP_E_BADINDEX", 0x8002000B, -2147352565),
        ("VM_E_VM_UNKNOWN", 0xA0040207, -1610350073),
    ],
)
def test_numbers(name: str, unsigned: int, signed: int) -> None:
    code = HRESULT[name]
    assert code == signed == code.value
    assert HRESULT(unsigned) is code
    assert HRESULT(signed) is code
    assert code.hex == f"0x{unsigned:08X}"
    assert repr(code) == f"<HRESULT.{name}: 0x{unsigned:08X}>"
    assert str(code) == str(signed)
    assert code.failed is (unsigned >= 0x80000000)
    assert describe_code(unsigned) == describe_code(signed) == f"{name} (0x{unsigned:08X})"


def test_every_code_has_eight_digits_and_one_name() -> None:
    assert all(len(code.hex) == 10 for code in HRESULT)
    assert len(HRESULT.__members__) == len(set(HRESULT))
    assert all(code.failed for code in HRESULT if code not in (HRESULT.S_OK, HRESULT.S_FALSE))


@pytest.mark.parametrize("number", [2, -1, 0x80040000, 0x1_8002_0009, "x", 2**40])
def test_codes_without_a_name(number: Any) -> None:
    with pytest.raises(ValueError):
        HRESULT(number)


def test_a_code_without_a_name_is_described_by_its_digits() -> None:
    assert describe_code(-1) == "0xFFFFFFFF"
    assert describe_code(0x12) == "0x00000012"


def test_a_failure_names_its_code() -> None:
    failure = Failure(HRESULT.E_FAIL, "why", argerr=2)
    assert str(failure) == "E_FAIL (0x80004005): why"
    other = failure.under(HRESULT.E_ABORT)
    assert (other.code, other.description, other.argerr) == (HRESULT.E_ABORT, "why", 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vmVMState_Invalid", 0),
        ("vmVMState_TurnedOff", 1),
        ("vmVMState_Running", 5),
        ("vmVMState_Paused", 6),
        ("vmVirtualServerEvent_VMHeartbeatStopped", 4),
        ("vmVirtualPCEvent_EventLogged", 3),
        ("vmUndoAction_Commit", 2),
        ("VHD_FORCE_UNMOUNT", 3),
    ],
)
def test_constants_are_importable_by_name(name: str, value: int) -> None:
    got = getattr(constants, name)
    assert got == value
    assert str(got) == str(value)
    assert f"{got}" == str(value)
    assert getattr(vpcshim.constants, name) is got
    assert name in dir(constants)


def test_from_import_of_a_constant() -> None:
    from vpcshim.constants import VMVMState, vmVMState_Running

    assert vmVMState_Running is VMVMState.vmVMState_Running


def test_enumerations_that_the_products_share_hold_the_values_of_both() -> None:
    assert constants.VMVMState(9).name == "vmVMState_MergingDrives"
    assert constants.VMVMState(10).name == "vmVMState_DeleteMachine"


def test_a_name_in_two_enumerations_has_one_value() -> None:
    for kind in constants.ComEnum.__subclasses__():
        for name, member in kind.__members__.items():
            assert getattr(constants, name) == member


@pytest.mark.parametrize("name", ["vmVMState_Flying", "vmvmstate_running", "nonsense"])
def test_an_unknown_constant(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(constants, name)
    assert not hasattr(constants, name)


@pytest.mark.parametrize("name", vpcshim.__all__)
def test_the_public_face(name: str) -> None:
    assert getattr(importlib.import_module("vpcshim"), name) is not None


def test_an_unknown_public_name() -> None:
    assert not hasattr(vpcshim, "DispatchEx")
    assert vpcshim.Dispatch is vpcshim.CreateObject
