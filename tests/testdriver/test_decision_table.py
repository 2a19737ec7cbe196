"""The decision table, row by row and both ways to call; and that it is complete against the documentation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testdriver.decision_table import ANY, ARGUMENTS, NEVER, ROWS, Row
from tests.testdriver.situations import Bench
from tests.testdriver.support import raw
from vpcshim import HRESULT, VT, ComError, Variant
from vpcshim.com.dispatch import DispatchFlags, invoke
from vpcshim.com.member import Member, Product
from vpcshim.com.object import ComObject, raw_call, raw_put
from vpcshim.model import task
from vpcshim.model.catalogue import interfaces
from vpcshim.testing import NodeBuilder

Key = tuple[Product, str, str]
DOCUMENTED: dict[Key, list[str]] = {
    (Product(product), interface, member): hresults
    for product, interfaces in json.loads(
        (Path(__file__).parents[2] / "fixtures" / "documented-hresults.json").read_text()
    ).items()
    for interface, members in interfaces.items()
    for member, hresults in members.items()
}
INTERFACE_NAMES = {interface for _, interface, _ in DOCUMENTED}
DECLARED: dict[Key, Member] = {
    (product, kind._interface_, member.name): member
    for kind in interfaces()
    if kind._interface_ in INTERFACE_NAMES
    for product in kind._iids_
    for member in kind._names_.values()
    if member.known_to(product)
}
# What the machinery answers by itself, without a declaration.
_NEVER_AT_ALL = {"VM_E_HARDWARE_VIRTUALIZATION_DISABLED"}
_BY_ITSELF = {
    "VM_E_HARDWARE_VIRTUALIZATION_DISABLED",
    "S_OK",
    "S_FALSE",
    "E_POINTER",
    "DISP_E_EXCEPTION",
    "DISP_E_BADINDEX",
}


def made(row: Row, bench: Bench) -> ComObject:
    """The object in its situation, for the call that the row is about."""
    obj = row.situation(bench)
    if row.expected.failed:
        # On a busy machine a refusal may take longer, and be the task's.
        bench.patch.setattr(task, "_MOMENT", 10.0)
    return obj


@pytest.fixture
def bench(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, row: Row) -> Iterator[Bench]:
    made = Bench(vpcshim_node, monkeypatch, tmp_path, row.product, row.interface)
    yield made
    for end in made.ends:
        end()


def arguments(row: Row) -> tuple[object, ...]:
    return ARGUMENTS.get(row.member, ()) if row.args is None else row.args


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_vtable_answers_what_the_table_says(bench: Bench, row: Row) -> None:
    obj = made(row, bench)
    if not row.out:
        prefix = "get" if DECLARED[row.product, row.interface, row.member].kind == "property" else "raw"
        assert getattr(obj, f"{prefix}_{row.member}")(*arguments(row), None) is row.expected
        return
    code, out = raw(obj, row.member, *arguments(row))
    assert code is row.expected
    if code.failed:
        assert (out.vt, out.value) == (VT.EMPTY, None)
    else:
        # A member that hands out a VARIANT has the type of what was asked for.
        assert DECLARED[row.product, row.interface, row.member].vt in (VT.VARIANT, out.vt)
        if row.value is not ANY:
            assert (out.value, type(out.value)) == (row.value, type(row.value))


@pytest.mark.parametrize("row", [row for row in ROWS if row.out], ids=str)
def test_late_binding_answers_the_same(bench: Bench, row: Row) -> None:
    obj = made(row, bench)
    member = DECLARED[row.product, row.interface, row.member]
    flags = DispatchFlags.PROPERTYGET if member.kind == "property" else DispatchFlags.METHOD

    def call() -> object:
        return invoke(obj, member.dispids[row.product], flags, arguments(row))

    if not row.expected.failed:
        value = call()
        assert row.value is ANY or value == row.value
        return
    with pytest.raises(ComError) as caught:
        call()
    assert caught.value.excepinfo is not None
    assert caught.value.excepinfo[5] == row.expected
    assert caught.value.description
    direct = row.expected.name.startswith("DISP_E_")
    assert caught.value.hresult == (row.expected if direct else HRESULT.DISP_E_EXCEPTION)


# -- complete, and about what there is -------------------------------------------------------------------------


def _ids(key: Key) -> str:
    return f"{key[0].value}-{key[1]}.{key[2]}"


@pytest.mark.parametrize("key", DECLARED, ids=_ids)
def test_every_documented_hresult_has_a_row_or_a_reason(key: Key) -> None:
    assert key in DOCUMENTED, "declared, but not in fixtures/documented-hresults.json"
    answered = {row.expected.name for row in ROWS if (row.product, row.interface, row.member) == key}
    never = {code for *of, code in NEVER if tuple(of) == key}
    missing = set(DOCUMENTED[key]) - answered - never - {"E_POINTER"} - _NEVER_AT_ALL
    if DECLARED[key].unavailable is not None or DECLARED[key].kind == "event":
        missing = set()
    assert not missing, "give each a row in decision_table.py, or say there why it is never answered"
    assert not answered & never, "these are answered after all"
    assert not never - set(DOCUMENTED[key]), "these are not documented in the first place"


@pytest.mark.parametrize("key", DECLARED, ids=_ids)
def test_what_is_answered_is_documented_or_common(key: Key) -> None:
    answered = {row.expected.name for row in ROWS if (row.product, row.interface, row.member) == key}
    assert answered <= set(DOCUMENTED[key]) | {"DISP_E_EXCEPTION"}


@pytest.mark.parametrize("key", DECLARED, ids=_ids)
def test_what_is_declared_to_fail_is_documented_to(key: Key) -> None:
    declared = {code.name for code in DECLARED[key].fails[key[0]]}
    assert declared <= set(DOCUMENTED[key])
    never = {code for *of, code in NEVER if tuple(of) == key}
    assert set(DOCUMENTED[key]) - declared - never <= _BY_ITSELF


@pytest.mark.parametrize("key", [key for key in DECLARED if DECLARED[key].kind != "event"], ids=_ids)
def test_without_an_out_parameter_nothing_happens(key: Key) -> None:
    member = DECLARED[key]
    if member.write_only or member.vt == VT.EMPTY:
        return
    arguments = (None,) * len(member.params)
    assert raw_call(bare(key), member, (*arguments, None)) is HRESULT.E_POINTER


@pytest.mark.parametrize("key", [key for key in DECLARED if DECLARED[key].unavailable is not None], ids=_ids)
def test_what_is_unavailable_says_why(key: Key) -> None:
    member = DECLARED[key]
    if member.kind == "event":
        return
    arguments = tuple(check_null(vt) for vt in member.params)
    out = () if member.vt == VT.EMPTY else (Variant(),)
    call = raw_put(bare(key), member, check_null(member.vt)) if member.write_only else None
    code = call if call is not None else raw_call(bare(key), member, (*arguments, *out))
    assert code is HRESULT.E_NOTIMPL or code.name in DOCUMENTED[key]
    assert code.failed


def check_null(vt: VT) -> object:
    """Some argument of that type."""
    return {VT.BSTR: "", VT.BOOL: False, VT.DISPATCH: None, VT.VARIANT: "", VT.R8: 0.0}.get(
        vt, () if vt & VT.ARRAY else 0
    )


def bare(key: Key) -> ComObject:
    """An object of that interface that nothing can be asked of."""
    kind = next(kind for kind in interfaces() if kind._interface_ == key[1] and key[0] in kind._iids_)
    obj: ComObject = object.__new__(kind)
    obj._product_ = key[0]
    return obj


def test_no_row_and_no_reason_is_of_something_that_is_not_declared() -> None:
    assert {(row.product, row.interface, row.member) for row in ROWS} <= set(DECLARED)
    assert {(product, interface, member) for product, interface, member, _ in NEVER} <= set(DECLARED)


def test_no_row_stands_there_twice() -> None:
    twice = [name for name, count in Counter(f"{row} {row.args}" for row in ROWS).items() if count > 1]
    assert not twice


def test_the_accountant_has_its_members() -> None:
    count = Counter((product, interface) for product, interface, _ in DECLARED)
    assert count[Product.VIRTUAL_SERVER, "IVMAccountant"] == 13
    assert count[Product.VIRTUAL_PC, "IVMAccountant"] == 7
