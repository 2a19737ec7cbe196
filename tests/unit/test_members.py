"""Members: the late-bound call, the vtable-style call, and how each of them ends."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sample import Nothings, Sample, Samples, unlisted
from vpcshim.com import dispatch
from vpcshim.com.declare import method, propget
from vpcshim.com.dispatch import DispatchFlags
from vpcshim.com.errors import ComError, Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import S_FALSE, Product
from vpcshim.com.object import INTERFACES, ComObject, Outcome, outcome
from vpcshim.com.variant import VT, Variant

VS, VPC = Product.VIRTUAL_SERVER, Product.VIRTUAL_PC
NAMES = ("Name", "BytesSent", "Level", "Combine", "Act", "Unserved", "History", "Squared")


def fails(call: Callable[[], Any]) -> ComError:
    with pytest.raises(ComError) as caught:
        call()
    return caught.value


@st.composite
def cased(draw: st.DrawFn, names: tuple[str, ...]) -> tuple[str, str]:
    """A name, and the same name in some case."""
    name = draw(st.sampled_from(names))
    upper = draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    return name, "".join(c.upper() if up else c.lower() for c, up in zip(name, upper, strict=True))


# -- names -------------------------------------------------------------------------------------------------


@given(cased(NAMES))
def test_names_in_any_case_are_the_same_member(pair: tuple[str, str]) -> None:
    name, spelt = pair
    sample = Sample(answer=Decimal(7))
    assert dispatch.get_id_of_name(sample, spelt) == dispatch.get_id_of_name(sample, name)
    if name in ("Name", "BytesSent"):
        assert getattr(sample, spelt) == getattr(sample, name)
    if name == "Combine":
        assert getattr(sample, spelt)(1, "x") == "1 'x' False"


@given(cased(("get_BytesSent",)))
def test_vtable_names_in_any_case(pair: tuple[str, str]) -> None:
    out = Variant()
    assert getattr(Sample(answer=Decimal(7)), pair[1])(out) is HRESULT.S_OK
    assert out.value == 7


@given(cased(("Level",)), st.integers(-(2**31), 2**31 - 1))
def test_assignment_in_any_case(pair: tuple[str, str], value: int) -> None:
    sample = Sample()
    setattr(sample, pair[1], value)
    assert sample._written == [value]


@pytest.mark.parametrize("name", ["Nme", "get_Nme", "raw_BytesSent", "get_Combine", "put_Nme", "raw_", "get_"])
def test_unknown_names(name: str) -> None:
    sample = Sample()
    error = fails(lambda: getattr(sample, name))
    assert error.hresult == HRESULT.DISP_E_UNKNOWNNAME == error.scode
    assert name in error.description
    assert isinstance(error, AttributeError)
    assert not hasattr(sample, name)
    assert getattr(sample, name, "default") == "default"


def test_assigning_an_unknown_name() -> None:
    sample = Sample()
    assert fails(lambda: setattr(sample, "Levle", 1)).hresult == HRESULT.DISP_E_UNKNOWNNAME
    assert "Levle" not in vars(sample)


@pytest.mark.parametrize(
    "name", ["ServerOnly", "serveronly", "ServerOnlyMethod", "SERVERONLYMETHOD", "get_ServerOnly"]
)
def test_members_of_one_product_are_unknown_to_the_other(name: str) -> None:
    assert hasattr(Sample(VS), name)
    other = Sample(VPC)
    assert not hasattr(other, name)
    assert fails(lambda: getattr(other, name)).hresult == HRESULT.DISP_E_UNKNOWNNAME
    assert outcome(other, name).code is HRESULT.DISP_E_UNKNOWNNAME


def test_members_of_one_product_are_not_listed_for_the_other() -> None:
    assert {"ServerOnly", "Name"} <= set(dir(Sample(VS)))
    assert "PcOnly" not in dir(Sample(VS))
    assert "PcOnly" in dir(Sample(VPC))
    assert "ServerOnly" not in dir(Sample(VPC))
    other = Sample(VPC)
    assert fails(lambda: setattr(other, "ServerOnly", 1)).hresult == HRESULT.DISP_E_UNKNOWNNAME


def test_a_private_name_is_pythons() -> None:
    sample = Sample()
    with pytest.raises(AttributeError) as caught:
        _ = sample._nothing_of_the_sort
    assert not isinstance(caught.value, ComError)
    sample._own = 1
    assert sample._own == 1
    assert copy.copy(sample)._own == 1


# -- how a late-bound call ends ----------------------------------------------------------------------------


def test_com_error_has_the_four_fields_of_pywin32() -> None:
    error = fails(lambda: Sample(answer=Failure(HRESULT.VM_E_VM_UNKNOWN, "no such machine", argerr=1)).Level)
    excepinfo = (0, "IVMSample", "no such machine", None, 0, -1610350073)  # 0xA0040207 signed
    assert error.args == (-2147352567, "Exception occurred.", excepinfo, 1)
    assert (error.hresult, error.strerror, error.excepinfo, error.argerr) == error.args
    assert all(type(field) in (int, str, tuple) for field in error.args)
    assert type(excepinfo[5]) is int
    assert str(error) == "VM_E_VM_UNKNOWN (0xA0040207): no such machine"
    assert not isinstance(error, AttributeError)


@pytest.mark.parametrize(
    "error",
    [
        ComError(-2147352567, "Exception occurred.", (0, "src", "text", None, 0, -2147467259), None),
        fails(lambda: Sample().Nothing),
        ComError(1234),
    ],
)
def test_com_errors_survive_pickling(error: ComError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert again.args == error.args
        assert str(again) == str(error)


def test_a_com_error_without_excepinfo() -> None:
    error = ComError(0x12345678)
    assert error.scode == 0x12345678
    assert str(error) == "0x12345678: "
    assert ComError(-2147467259, "Unspecified error").description == "Unspecified error"
    assert ComError(1, "no", (0, None, None, None, 0, 0)).scode == 1


E_CASES = [
    # (product, raised, otherwise, what the member answers): Level documents VM_E_VM_UNKNOWN for both, ...RUNNING
    # for Virtual Server and ...PAUSED for Windows Virtual PC.
    (VS, HRESULT.VM_E_VM_UNKNOWN, (), HRESULT.VM_E_VM_UNKNOWN),
    (VPC, HRESULT.VM_E_VM_UNKNOWN, (), HRESULT.VM_E_VM_UNKNOWN),
    (VS, HRESULT.VM_E_VM_RUNNING, (), HRESULT.VM_E_VM_RUNNING),
    (VPC, HRESULT.VM_E_VM_RUNNING, (), HRESULT.DISP_E_EXCEPTION),
    (VPC, HRESULT.VM_E_VM_PAUSED, (), HRESULT.VM_E_VM_PAUSED),
    (VS, HRESULT.VM_E_VM_PAUSED, (), HRESULT.DISP_E_EXCEPTION),
    (VS, HRESULT.VM_E_VM_PAUSED, (HRESULT.VM_E_VM_RUNNING,), HRESULT.VM_E_VM_RUNNING),
    (VS, HRESULT.VM_E_VM_PAUSED, (HRESULT.E_FAIL, HRESULT.VM_E_VM_UNKNOWN), HRESULT.VM_E_VM_UNKNOWN),
    (VPC, HRESULT.VM_E_TIMED_OUT, (HRESULT.VM_E_VM_RUNNING,), HRESULT.DISP_E_EXCEPTION),
    (VPC, HRESULT.VM_E_VM_RUNNING, (HRESULT.VM_E_VM_PAUSED,), HRESULT.VM_E_VM_PAUSED),
    (VS, HRESULT.E_ACCESSDENIED, (), HRESULT.DISP_E_EXCEPTION),
    (VS, HRESULT.E_INVALIDARG, (), HRESULT.DISP_E_EXCEPTION),
    # what any member may answer
    (VS, HRESULT.E_NOTIMPL, (), HRESULT.E_NOTIMPL),
    (VS, HRESULT.E_POINTER, (), HRESULT.E_POINTER),
    (VS, HRESULT.E_UNEXPECTED, (), HRESULT.E_UNEXPECTED),
    (VS, HRESULT.DISP_E_EXCEPTION, (), HRESULT.DISP_E_EXCEPTION),
    (VS, HRESULT.DISP_E_BADINDEX, (), HRESULT.DISP_E_BADINDEX),
]


@pytest.mark.parametrize(("product", "raised", "otherwise", "told"), E_CASES)
def test_failure_codes_are_documented_ones(
    product: Product, raised: HRESULT, otherwise: tuple[HRESULT, ...], told: HRESULT
) -> None:
    sample = Sample(product, Failure(raised, "why", otherwise=otherwise))
    direct = told.name.startswith("DISP_E_")
    error = fails(lambda: sample.Level)
    assert error.hresult == (told if direct else HRESULT.DISP_E_EXCEPTION)
    assert error.scode == told
    assert error.description == "why"
    out = Variant(VT.I4, 1)
    assert sample.get_Level(out) is told
    assert (out.vt, out.value) == (VT.EMPTY, None)
    assert sample.put_Level(1) is told
    assert outcome(sample, "Level") == Outcome(told, None, "why")
    assert fails(lambda: setattr(sample, "Level", 1)).scode == told


def test_an_unexpected_exception_is_e_unexpected_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    sample = Sample(answer=ZeroDivisionError("oh"))
    with caplog.at_level(logging.ERROR, "vpcshim"):
        error = fails(lambda: sample.Level)
    assert error.hresult == HRESULT.DISP_E_EXCEPTION
    assert error.scode == HRESULT.E_UNEXPECTED
    assert error.description == "internal error: ZeroDivisionError: oh"
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert [record.exc_info and record.exc_info[1] for record in caplog.records] == [error.__cause__]
    assert sample.get_Level(Variant()) is HRESULT.E_UNEXPECTED


@pytest.mark.parametrize("wrong", [None, "5", 5.0, True, Decimal(5)])
def test_a_member_that_answers_another_type_is_a_defect_not_a_crash(
    wrong: object, caplog: pytest.LogCaptureFixture
) -> None:
    sample = Sample(answer=wrong)
    assert fails(lambda: sample.Level).scode == HRESULT.E_UNEXPECTED
    out = Variant(VT.I4, 1)
    assert sample.get_Level(out) is HRESULT.E_UNEXPECTED
    assert out.vt == VT.EMPTY
    assert "unexpected error in IVMSample" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("Level", 2**31), ("BytesSent", Decimal(2**96)), ("History", (1, 256)), ("Level", 10**5000)],
    ids=lambda _: "",
)
def test_a_value_too_large_for_its_type_is_an_overflow(name: str, value: object) -> None:
    sample = Sample(answer=value)
    error = fails(lambda: getattr(sample, name))
    assert error.hresult == HRESULT.DISP_E_OVERFLOW
    assert name in error.description
    out = Variant(VT.I4, 1)
    assert getattr(sample, f"get_{name}")(out) is HRESULT.DISP_E_OVERFLOW
    assert out.vt == VT.EMPTY


def test_the_elements_of_an_array_are_checked() -> None:
    assert Sample(answer=(1, 2)).History == (1, 2)
    out = Variant()
    assert Sample(answer=[1, 2]).get_History(out) is HRESULT.S_OK
    assert (out.vt, out.value, out.elements) == (VT.ARRAY | VT.VARIANT, (1, 2), VT.UI1)
    assert fails(lambda: Sample(answer=("1",)).History).scode == HRESULT.E_UNEXPECTED


def test_a_stand_in_of_the_wrong_type_is_refused_when_declared() -> None:
    for wrong in ((0, 256), (0, "x"), 0):
        with pytest.raises((TypeError, OverflowError)):
            propget(vs=1, vt=VT.ARRAY | VT.VARIANT, elements=VT.UI1, s_false=wrong)(lambda self: ())


@pytest.mark.parametrize(
    ("name", "vt", "value"),
    [
        ("AsI2", VT.I2, 0),
        ("AsI4", VT.I4, 0),
        ("AsUI1", VT.UI1, 0),
        ("AsUI4", VT.UI4, 0),
        ("AsR8", VT.R8, 0.0),
        ("AsDecimal", VT.DECIMAL, Decimal(0)),
        ("AsBstr", VT.BSTR, ""),
        ("AsBool", VT.BOOL, False),
        ("AsDispatch", VT.DISPATCH, None),
        ("AsUnknown", VT.UNKNOWN, None),
        ("AsVariant", VT.VARIANT, None),
        ("AsArray", VT.ARRAY | VT.VARIANT, ()),
    ],
)
def test_s_false_hands_out_a_well_formed_value(name: str, vt: VT, value: object) -> None:
    nothings = Nothings(VS)
    late = getattr(nothings, name)
    assert (late, type(late)) == (value, type(value))
    out = Variant(VT.BSTR, "before")
    assert getattr(nothings, f"get_{name}")(out) is HRESULT.S_FALSE
    held = VT.EMPTY if vt == VT.VARIANT else vt  # a VARIANT of no type yet is an empty one
    assert (out.vt, out.value, type(out.value)) == (held, value, type(value))
    assert outcome(nothings, name) == Outcome(HRESULT.S_FALSE, value)


def test_s_false_of_a_method_without_a_value() -> None:
    assert Nothings(VS).AsNothing() is None
    assert Nothings(VS).raw_AsNothing() is HRESULT.S_FALSE


def test_s_false_with_a_declared_stand_in() -> None:
    sample = Sample(answer=S_FALSE)
    assert sample.History == (0, 0, 0)
    out = Variant()
    assert sample.get_History(out) is HRESULT.S_FALSE
    assert (out.value, out.elements) == ((0, 0, 0), VT.UI1)


# -- vtable-style calls ------------------------------------------------------------------------------------


def test_no_out_parameter_is_e_pointer_and_nothing_else_happens() -> None:
    sample = Sample(answer=Decimal(1))
    assert sample.get_BytesSent(None) is HRESULT.E_POINTER
    assert sample.get_History(None) is HRESULT.E_POINTER
    assert sample.get_Squared(3, None) is HRESULT.E_POINTER
    assert sample.raw_Combine(1, "x", True, None) is HRESULT.E_POINTER
    assert sample._calls == []


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("get_BytesSent", (), HRESULT.DISP_E_BADPARAMCOUNT),
        ("get_BytesSent", (1, Variant()), HRESULT.DISP_E_BADPARAMCOUNT),
        ("get_BytesSent", (7,), HRESULT.E_INVALIDARG),
        ("get_BytesSent", ("out",), HRESULT.E_INVALIDARG),
        ("get_Squared", ("x", Variant()), HRESULT.DISP_E_TYPEMISMATCH),
        ("get_Squared", (2**40, Variant()), HRESULT.DISP_E_OVERFLOW),
        ("get_Squared", (10**5000, Variant()), HRESULT.DISP_E_OVERFLOW),
        ("get_Squared", (100_000, Variant()), HRESULT.DISP_E_OVERFLOW),
        ("raw_Combine", (1, "x", Variant()), HRESULT.DISP_E_BADPARAMCOUNT),
        ("raw_Act", (), HRESULT.DISP_E_BADPARAMCOUNT),
        ("raw_Act", (1, Variant()), HRESULT.DISP_E_BADPARAMCOUNT),
        ("raw_Act", (-1,), HRESULT.E_INVALIDARG),
        ("raw_Act", (None,), HRESULT.DISP_E_TYPEMISMATCH),
        ("put_Level", (), HRESULT.DISP_E_BADPARAMCOUNT),
        ("put_Level", (1, 2), HRESULT.DISP_E_BADPARAMCOUNT),
        ("put_Level", ("x",), HRESULT.DISP_E_TYPEMISMATCH),
        ("put_Level", (2**31,), HRESULT.DISP_E_OVERFLOW),
        ("put_Name", ("x",), HRESULT.DISP_E_MEMBERNOTFOUND),
        ("get_Unserved", (Variant(),), HRESULT.E_NOTIMPL),
        ("get_BytesSent", (Variant(),), HRESULT.S_OK),
        ("get_Squared", (-3, Variant()), HRESULT.S_OK),
        ("raw_Combine", (1, "x", True, Variant()), HRESULT.S_OK),
        ("raw_Act", (1,), HRESULT.S_OK),
        ("put_Level", ("5",), HRESULT.S_OK),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_vtable_calls_never_raise(name: str, args: tuple[Any, ...], code: HRESULT) -> None:
    sample = Sample(answer=Decimal(1))
    assert getattr(sample, name)(*args) is code
    if code.failed:
        assert not any(call == "BytesSent" or call.startswith("put") for call in sample._calls)
        assert all(arg.vt == VT.EMPTY for arg in args if isinstance(arg, Variant))


@given(st.lists(st.none() | st.integers() | st.floats() | st.text() | st.builds(Variant), max_size=5))
def test_vtable_calls_never_raise_whatever_is_passed(args: list[Any]) -> None:
    sample = Sample(answer=Decimal(1))
    for name in ("get_BytesSent", "get_Squared", "raw_Combine", "raw_Act", "put_Level", "put_Name"):
        assert isinstance(getattr(sample, name)(*args), HRESULT)


def test_a_success_fills_the_variant() -> None:
    out = Variant(VT.BSTR, "before")
    assert Sample(answer=Decimal("18446744073709551616")).get_BytesSent(out) is HRESULT.S_OK
    assert out == Variant(VT.DECIMAL, Decimal(2**64))
    assert Sample().get_Squared(-3, out) is HRESULT.S_OK
    assert out == Variant(VT.I4, 9)
    assert Sample().raw_Combine("2", 3, 1, out) is HRESULT.S_OK
    assert out == Variant(VT.BSTR, "2 '3' True")


# -- arguments ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [(), (1,), (1, "x", True, 4)])
def test_a_wrong_number_of_arguments(args: tuple[Any, ...]) -> None:
    error = fails(lambda: Sample().Combine(*args))
    assert error.hresult == HRESULT.DISP_E_BADPARAMCOUNT
    assert error.description == f"Combine takes 2 to 3 arguments, not {len(args)}"


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ((1, "x"), {}),
        ((1,), {"text": "x"}),
        ((1,), {"TEXT": "x"}),
        ((), {"text": "x", "firstNumber": 1}),
        ((), {"Flag": False, "Text": "x", "FIRSTNUMBER": 1}),
    ],
)
def test_arguments_by_position_and_by_name(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    assert Sample().Combine(*args, **named) == "1 'x' False"


@pytest.mark.parametrize(
    ("args", "named", "code"),
    [
        ((1,), {"txet": "x"}, HRESULT.DISP_E_PARAMNOTOPTIONAL),
        ((1, "x"), {"text": "y"}, HRESULT.DISP_E_PARAMNOTOPTIONAL),
        ((1, "x", True), {"text": "y"}, HRESULT.DISP_E_PARAMNOTFOUND),
        ((1, "x", True), {"more": "y"}, HRESULT.DISP_E_PARAMNOTFOUND),
        ((), {"text": "x"}, HRESULT.DISP_E_PARAMNOTOPTIONAL),
        ((), {"firstnumber": 1}, HRESULT.DISP_E_BADPARAMCOUNT),
    ],
)
def test_wrong_names_of_arguments(args: tuple[Any, ...], named: dict[str, Any], code: HRESULT) -> None:
    error = fails(lambda: Sample().Combine(*args, **named))
    assert error.hresult == code
    assert "Combine" in error.description


@pytest.mark.parametrize(
    ("args", "code", "argerr"),
    [
        (("x", "y"), HRESULT.DISP_E_TYPEMISMATCH, 0),
        ((1, None), HRESULT.DISP_E_TYPEMISMATCH, 1),
        ((1, "y", "maybe"), HRESULT.DISP_E_TYPEMISMATCH, 2),
        ((2**31, "y"), HRESULT.DISP_E_OVERFLOW, 0),
    ],
)
def test_wrong_arguments_are_named_by_position(args: tuple[Any, ...], code: HRESULT, argerr: int) -> None:
    error = fails(lambda: Sample().Combine(*args))
    assert (error.hresult, error.argerr) == (code, argerr)


def test_a_refused_argument_changes_nothing() -> None:
    sample = Sample()
    error = fails(lambda: sample.Act(-1))
    assert (error.hresult, error.scode, error.argerr) == (HRESULT.DISP_E_EXCEPTION, HRESULT.E_INVALIDARG, 0)
    assert fails(lambda: setattr(sample, "Level", "much")).hresult == HRESULT.DISP_E_TYPEMISMATCH
    assert sample._written == []


def test_assigning_to_what_cannot_be_assigned() -> None:
    sample = Sample()
    for name in ("Name", "NAME", "Act", "Combine"):
        error = fails(lambda name=name: setattr(sample, name, "x"))  # type: ignore[misc]
        assert error.hresult == HRESULT.DISP_E_MEMBERNOTFOUND
        assert "read-only" in error.description
    assert sample.Name == "sample"


# -- unavailable members -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "name", "code", "why"),
    [
        (VS, "Unserved", HRESULT.E_NOTIMPL, "KVM has no such thing"),
        (VPC, "Unserved", HRESULT.E_NOTIMPL, "KVM has no such thing"),
        (VS, "Additions", HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL, "there are no Additions"),
        (VPC, "Additions", HRESULT.E_NOTIMPL, "there are no Additions"),
    ],
)
def test_unavailable_members_say_why(product: Product, name: str, code: HRESULT, why: str) -> None:
    sample = Sample(product)
    error = fails(lambda: getattr(sample, name))
    assert (error.hresult, error.scode) == (HRESULT.DISP_E_EXCEPTION, code)
    assert error.description == f"{name} is not available: {why}"
    assert getattr(sample, f"get_{name}")(Variant()) is code
    assert getattr(sample, f"get_{name}")(None) is HRESULT.E_POINTER


# -- declarations ------------------------------------------------------------------------------------------


def test_what_a_declaration_says() -> None:
    level = Sample.Level
    assert (level.name, level.kind, level.vt, level.access) == ("Level", "property", VT.I4, "read-write")
    assert level.dispids == {VS: 0x60020002, VPC: 0x60020003}
    assert level.__doc__ == "A property that can be set."
    assert Sample.Name.access == "read-only"
    assert Sample.Combine.access is None
    assert Sample.Combine.param_names == ("firstNumber", "text", "flag")
    assert Sample.Combine.required == 2
    assert Sample.Squared.kind == "property"
    assert Sample.Unserved.unavailable == "KVM has no such thing"
    assert Sample._iids_ == {
        VS: "{00000000-0000-0000-0000-000000000001}",
        VPC: "{00000000-0000-0000-0000-000000000002}",
    }
    assert Nothings._iids_.keys() == {VS}


def test_wrong_declarations_are_refused() -> None:
    with pytest.raises(TypeError, match="1 parameters, 0 of them typed"):
        method(vs=1)(lambda self, number: None)

    def Twice(self: object, *_: object) -> Any:
        return 1

    def Once(self: object) -> int:
        return 1

    member = propget(vs=1, vt=VT.I4)(Once)
    Twice.__name__ = "Once"
    with pytest.raises(TypeError, match="would replace it"):
        member.write(Twice)
    with pytest.raises((TypeError, RuntimeError)), unlisted():
        type("Wrong", (ComObject,), {"Other": member})


def test_a_subclass_has_the_members_of_its_base_and_may_declare_them_anew() -> None:
    with unlisted():

        class Special(Sample, interface="IVMSpecial", vs="{00000000-0000-0000-0000-000000000005}"):
            @propget(vs=0, vt=VT.BSTR)
            def Name(self) -> str:
                """Another name."""
                return "special"

    special = Special(VS)
    assert special.name == "special"
    assert special.bytessent is None if special._answer else True
    assert special() == "special"
    assert Sample().Name == "sample"
    assert repr(special) == "<IVMSpecial of virtual-server-2005>"
    assert not hasattr(Special(VPC), "Name")


def test_the_registry_holds_no_interface_of_these_tests() -> None:
    assert not {Sample, Nothings, Samples} & set(INTERFACES)
    assert all(cls.__module__.startswith("vpcshim.") for cls in INTERFACES)


# -- IDispatch ---------------------------------------------------------------------------------------------

GET, CALL, PUT, PUTREF = (
    DispatchFlags.PROPERTYGET,
    DispatchFlags.METHOD,
    DispatchFlags.PROPERTYPUT,
    DispatchFlags.PROPERTYPUTREF,
)


def test_dispids_are_those_of_the_objects_product() -> None:
    assert dispatch.get_id_of_name(Sample(VS), "level") == 0x60020002
    assert dispatch.get_id_of_name(Sample(VPC), "LEVEL") == 0x60020003
    assert fails(lambda: dispatch.get_id_of_name(Sample(VPC), "ServerOnly")).hresult == HRESULT.DISP_E_UNKNOWNNAME
    assert dispatch.get_id_of_name(Samples(), "_newenum") == -4
    assert dispatch.get_id_of_name(Samples(), "item") == 0


@pytest.mark.parametrize(
    ("dispid", "flags", "args", "expected"),
    [
        (0, GET, (), "sample"),
        (0, GET | CALL, (), "sample"),
        (0x60020001, GET, (), 7),
        (0x60020006, CALL, (1, "x"), "1 'x' False"),
        (0x60020006, CALL | GET, (1, "x", True), "1 'x' True"),
        (0x6002000B, GET, (4,), 16),
        (0x6002000B, GET | CALL, ("4",), 16),
    ],
)
def test_invoke(dispid: int, flags: DispatchFlags, args: tuple[Any, ...], expected: object) -> None:
    assert dispatch.invoke(Sample(answer=Decimal(7)), dispid, flags, args) == expected


@pytest.mark.parametrize("flags", [PUT, PUTREF, PUT | PUTREF])
def test_invoke_assigns(flags: DispatchFlags) -> None:
    sample = Sample()
    dispatch.invoke(sample, 0x60020002, flags, ("5",))
    assert sample._written == [5]


@pytest.mark.parametrize(
    ("dispid", "flags", "args", "code"),
    [
        (99, GET, (), HRESULT.DISP_E_MEMBERNOTFOUND),
        (-4, GET, (), HRESULT.DISP_E_MEMBERNOTFOUND),
        (0, CALL, (), HRESULT.DISP_E_MEMBERNOTFOUND),
        (0x60020006, GET, (1, "x"), HRESULT.DISP_E_MEMBERNOTFOUND),
        (0x60020006, PUT, (1,), HRESULT.DISP_E_MEMBERNOTFOUND),
        (0, PUT, ("x",), HRESULT.DISP_E_MEMBERNOTFOUND),
        (0, GET, (1,), HRESULT.DISP_E_BADPARAMCOUNT),
        (0x60020002, PUT, (), HRESULT.DISP_E_BADPARAMCOUNT),
        (0x60020002, PUT, (1, 2), HRESULT.DISP_E_BADPARAMCOUNT),
        (0x60020002, PUT, ("x",), HRESULT.DISP_E_TYPEMISMATCH),
        (0x60020006, CALL, (), HRESULT.DISP_E_BADPARAMCOUNT),
    ],
)
def test_invoke_refuses(dispid: int, flags: DispatchFlags, args: tuple[Any, ...], code: HRESULT) -> None:
    assert fails(lambda: dispatch.invoke(Sample(), dispid, flags, args)).hresult == code


def test_invoke_knows_the_dispids_of_the_objects_product_only() -> None:
    assert dispatch.invoke(Sample(VS), 0x60020004, GET) == 1
    assert dispatch.invoke(Sample(VPC), 0x60020004, GET) == 2
    assert fails(lambda: dispatch.invoke(Sample(VPC), 0x60020005, CALL)).hresult == HRESULT.DISP_E_MEMBERNOTFOUND


# -- default members and collections -----------------------------------------------------------------------


def test_the_default_member() -> None:
    assert Sample()() == "sample"
    assert Sample(VPC)() == "sample"
    assert fails(lambda: Sample()(1)).hresult == HRESULT.DISP_E_BADPARAMCOUNT
    assert fails(lambda: Nothings(VS)()).hresult == HRESULT.DISP_E_MEMBERNOTFOUND


def test_a_collection_counts_from_1() -> None:
    items = [Sample() for _ in range(3)]
    held = Samples(*items)
    assert (held.Count, len(held)) == (3, 3)
    assert [held.Item(i) for i in (1, 2, 3)] == items
    assert [held(i) for i in (1, 2, 3)] == items
    assert held.item("2") is items[1]
    assert list(held) == items
    assert list(held._NewEnum) == items
    assert list(dispatch.invoke(held, -4, GET)) == items
    assert list(dispatch.invoke(held, 0xFFFF_FFFC, GET)) == items  # the same number, unsigned
    out = Variant()
    assert held.get_Item(1, out) is HRESULT.S_OK
    assert out == Variant(VT.DISPATCH, items[0])
    assert held.get_Count(out) is HRESULT.S_OK
    assert out == Variant(VT.I4, 3)


@given(st.integers(0, 5), st.integers(-(2**31), 2**31 - 1) | st.integers(-1, 7))
def test_indexes_outside_1_to_count(count: int, index: int) -> None:
    held = Samples(*(Sample() for _ in range(count)))
    if 1 <= index <= count:
        assert held(index) is held._held[index - 1]
        return
    error = fails(lambda: held(index))
    assert error.hresult == HRESULT.DISP_E_BADINDEX
    assert str(index) in error.description
    assert held.get_Item(index, Variant()) is HRESULT.DISP_E_BADINDEX


def test_an_empty_collection_is_still_an_object() -> None:
    held = Samples()
    assert held
    assert len(held) == 0
    assert list(held) == []


def test_a_collection_is_read_only() -> None:
    held = Samples(Sample())
    assert fails(lambda: setattr(held, "Count", 2)).hresult == HRESULT.DISP_E_MEMBERNOTFOUND
    assert fails(lambda: held.Item("first")).hresult == HRESULT.DISP_E_TYPEMISMATCH


def test_an_interface_that_is_unavailable_leaves_the_members_it_inherited_to_others() -> None:
    class Nowhere(Samples, unavailable="nobody keeps these"):
        """A collection without a counterpart."""

    for call in (lambda: Nowhere().Count, lambda: Nowhere().Item(1), lambda: list(Nowhere())):
        assert (fails(call).scode, "nobody keeps these" in fails(call).description) == (HRESULT.E_NOTIMPL, True)
    assert Samples().Count == 0
