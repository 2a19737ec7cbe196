"""The keys and values of configuration values, whatever somebody writes."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcshim import HRESULT, VT, Variant
from vpcshim.com.errors import Failure
from vpcshim.com.member import Product
from vpcshim.hypervisor.settings import Settings, as_xml
from vpcshim.migrate import vmc
from vpcshim.model.configuration import keys, table, values
from vpcshim.values import Value

VS, VPC = Product.VIRTUAL_SERVER, Product.VIRTUAL_PC
names = st.builds(
    str.__add__,
    st.sampled_from(string.ascii_letters + "_äЖ日\U0001f600"),
    st.text(string.ascii_letters + string.digits + "_.-é日\u0301\U0001f600", max_size=20),
)
steps = st.tuples(names, st.none() | st.integers(0, 999_999_999))
paths = st.lists(steps, min_size=1, max_size=12)


def written(path: list[tuple[str, int | None]]) -> str:
    return "/".join(name if number is None else f"{name}[@id={number}]" for name, number in path)


@given(paths)
def test_a_key_is_what_was_written(path: list[tuple[str, int | None]]) -> None:
    key = keys.parse(written(path))
    assert key.steps == tuple(path)
    assert str(key) == written(path)
    assert keys.parse(str(key)) == key
    assert key.numbers == tuple(number for _, number in path if number is not None)


@given(st.text(max_size=60))
def test_whatever_is_written_is_a_key_or_refused(text: str) -> None:
    codes = []
    try:
        key = keys.parse(text)
    except Failure as failure:
        codes.append(failure.code)
    else:
        assert keys.parse(str(key)) == key
    assert codes in ([], [HRESULT.E_INVALIDARG])


@given(paths, st.data())
def test_no_character_can_be_added_that_is_none_of_a_key(path: list[tuple[str, int | None]], data: Any) -> None:
    text = written(path)
    place = data.draw(st.integers(0, len(text)))
    wrong = data.draw(st.sampled_from(" \t\n\0\\\"'<>&*=?#:;,()\u00d7\u2028\ufffe"))
    with pytest.raises(Failure):
        keys.parse(text[:place] + wrong + text[place:])


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "a[@id=]",
            "a[@id=-1]",
            "a[id=1]",
            "a[@id=1",
            "a[@id=1][@id=2]",
            "a[@id='1']",
        ),
        *("a[@id=1]b", "1a", "-a", "a b", "a/../b", "[@id=1]", "a[@id=1234567890]", "a" * 1025, "/".join("a" * 33)),
    ],
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(Failure) as caught:
        keys.parse(text)
    assert caught.value.code is HRESULT.E_INVALIDARG
    assert len(caught.value.description) < 300


def test_leading_zeros_mean_nothing() -> None:
    assert str(keys.parse("a[@id=007]/b")) == "a[@id=7]/b"
    assert keys.parse("a[@id=7]/b").pattern == "a[@id=*]/b"


def test_the_keys_of_the_table_can_be_asked_for() -> None:
    for pattern, row in table._ROWS.items():
        found = table.find(keys.parse(pattern.replace("*", "3")))
        assert found is row
        assert bool(row.put) != bool(row.instead)
        assert row.kind in values.KINDS


KEY = keys.parse("acme/value")
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff"), max_size=50
)
kept = st.booleans() | st.integers(0, 0xFFFF_FFFF) | st.binary(max_size=50) | texts


@given(st.integers(-(1 << 31), (1 << 32) - 1), st.sampled_from([VS, VPC]))
def test_an_integer_is_32_bits(number: int, product: Product) -> None:
    out = values.variant(product, values.given(KEY, number))
    assert out.vt == (VT.UI4 if product is VS else VT.I4)
    assert out.value % (1 << 32) == number % (1 << 32)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, Variant(VT.BOOL, True)),
        ("text", Variant(VT.BSTR, "text")),
        (b"\0\xff", Variant(VT.ARRAY | VT.UI1, b"\0\xff")),
        ([0, 255], Variant(VT.ARRAY | VT.UI1, b"\0\xff")),
        ((), Variant(VT.ARRAY | VT.UI1, b"")),
        (bytearray(b"a"), Variant(VT.ARRAY | VT.UI1, b"a")),
    ],
)
@pytest.mark.parametrize("product", [VS, VPC])
def test_a_value_has_its_type(product: Product, value: Any, expected: Variant) -> None:
    assert values.variant(product, values.given(KEY, value)) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(None, 1.5, object(), {}, 1 << 32, -(1 << 31) - 1, 10**5000, [256], [-1], ["a"], [[1]], "a\0", "\x1b"),
        *("\ud800", "\ufffe", *(kind * (values.LARGEST + 1) for kind in ("x", b"x", [0]))),
    ],
    ids=range(18),
)
def test_what_is_no_value(value: Any) -> None:
    with pytest.raises(Failure) as caught:
        values.given(KEY, value)
    assert caught.value.code is HRESULT.E_INVALIDARG
    assert len(caught.value.description) < 300


@given(st.dictionaries(paths.map(written), kept, max_size=5), paths, kept)
def test_what_is_kept_is_a_tree(before: dict[str, Value], path: list[tuple[str, int | None]], value: Value) -> None:
    key = keys.parse(written(path))
    inside = [name for name in before if name.startswith(f"{key}/") or str(key).startswith(f"{name}/")]
    if inside:
        with pytest.raises(Failure):
            values.with_value(before, key, value)
        return
    after = values.with_value(before, key, value)
    assert after == {**before, str(key): value}
    assert values.without_value(after, key, values.not_found) == {
        name: held for name, held in before.items() if name != str(key)
    }


def test_how_much_is_kept_is_bounded() -> None:
    held: dict[str, Value] = {f"a/b{number}": "x" * values.LARGEST for number in range(15)}
    with pytest.raises(Failure, match="is the most"):
        values.with_value(held, KEY, "x" * values.LARGEST)
    assert len(values.with_value(held, KEY, "x")) == 16


@pytest.mark.parametrize("character", ["&", "<", "\r", "\U0001f600", "x"])
def test_what_is_kept_is_bounded_as_it_is_kept(character: str) -> None:
    """Not as it was given: what is escaped takes more, and libvirt tells nothing of a machine that is too large."""
    many = character * 60_000
    held: dict[str, Value] = {}
    while len(as_xml(Settings(values={**held, "a/b": many})).encode()) <= 1 << 20:
        held = values.with_value(held, keys.parse(f"a/b{len(held)}"), many)
    with pytest.raises(Failure, match="bytes, and 1048576 is the most"):
        values.with_value(held, KEY, many)
    # A .vmc holds that once more as a text.
    text = as_xml(Settings(values=held))
    assert len(vmc.write({"vpcshim/definition": text})) < vmc.LARGEST - (64 << 10)
