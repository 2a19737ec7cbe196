"""DECIMAL, to and from its 16 bytes: exactly, or not at all."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vpcshim.com import decimal96
from vpcshim.com.decimal96 import MAX_MANTISSA, MAX_SCALE, pack, parts, unpack

MANTISSAS = st.integers(0, MAX_MANTISSA) | st.integers(0, 96).map(lambda bit: min(1 << bit, MAX_MANTISSA))
SCALES = st.integers(0, MAX_SCALE)


def number(negative: bool, mantissa: int, scale: int) -> Decimal:
    return Decimal((int(negative), tuple(map(int, str(mantissa))), -scale))


def fits(value: Decimal) -> bool:
    """Whether 96 bits and 0 to 28 decimal places can hold the number."""
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    significant = text.rstrip("0")
    exponent += len(text) - len(significant)
    if not significant:
        return True
    if exponent < -MAX_SCALE or exponent > MAX_SCALE or len(significant) > 29:
        return False
    whole: int = int(significant) * 10 ** max(exponent, 0)
    return whole <= MAX_MANTISSA


# [MS-OAUT] 2.2.26: wReserved (2), scale (1), sign (1), Hi32 (4), Lo64 (8), little-endian.
VECTORS = {
    "0": "0000 00 00 00000000 0000000000000000",
    "1": "0000 00 00 00000000 0100000000000000",
    "-1": "0000 00 80 00000000 0100000000000000",
    "-0": "0000 00 80 00000000 0000000000000000",
    "1.10": "0000 02 00 00000000 6e00000000000000",
    "-123.456": "0000 03 80 00000000 40e2010000000000",
    "258": "0000 00 00 00000000 0201000000000000",
    "18446744073709551615": "0000 00 00 00000000 ffffffffffffffff",
    "18446744073709551616": "0000 00 00 01000000 0000000000000000",
    "36893488147419103233": "0000 00 00 02000000 0100000000000000",
    "79228162514264337593543950335": "0000 00 00 ffffffff ffffffffffffffff",
    "-79228162514264337593543950335": "0000 00 80 ffffffff ffffffffffffffff",
    "7.9228162514264337593543950335": "0000 1c 00 ffffffff ffffffffffffffff",
    "0.0000000000000000000000000001": "0000 1c 00 00000000 0100000000000000",
    "0.00": "0000 02 00 00000000 0000000000000000",
}


@pytest.mark.parametrize(("text", "layout"), VECTORS.items())
def test_known_vectors(text: str, layout: str) -> None:
    data = bytes.fromhex(layout)
    assert pack(Decimal(text)) == data
    assert unpack(data).as_tuple() == Decimal(text).as_tuple()


def test_a_variant_keeps_its_type_in_the_first_field() -> None:
    assert pack(1, reserved=14).hex(" ", 2) == "0e00 0000 0000 0000 0100 0000 0000 0000"
    assert unpack(pack(1, reserved=14)) == 1


@given(st.booleans(), MANTISSAS, SCALES)
@example(True, 0, 0)
@example(True, MAX_MANTISSA, MAX_SCALE)
@example(False, MAX_MANTISSA, 0)
def test_pack_and_unpack_are_inverse(negative: bool, mantissa: int, scale: int) -> None:
    value = number(negative, mantissa, scale)
    data = pack(value)
    assert len(data) == 16
    assert data[2] == scale
    assert data[3] == (0x80 if negative else 0)
    assert unpack(data).as_tuple() == value.as_tuple()
    assert parts(value) == (negative, mantissa, scale)


@given(st.booleans(), MANTISSAS, SCALES)
def test_the_callers_context_rounds_nothing(negative: bool, mantissa: int, scale: int) -> None:
    value = number(negative, mantissa, scale)
    with localcontext(Context(prec=3, Emin=-2, Emax=2)):
        assert unpack(pack(value)).as_tuple() == value.as_tuple()


@given(st.integers(-MAX_MANTISSA, MAX_MANTISSA))
def test_ints_pack_as_decimals_of_that_value(value: int) -> None:
    assert pack(value) == pack(Decimal(value))
    assert unpack(pack(value)) == value


@given(st.decimals(allow_nan=False, allow_infinity=False))
@example(Decimal("1E+28"))
@example(Decimal("1E+29"))
@example(Decimal("8E+28"))
@example(Decimal("1E-28"))
@example(Decimal("1E-29"))
@example(Decimal("10E-29"))
@example(Decimal("1E+999999"))
@example(Decimal("1E-999999"))
@example(Decimal("0E+999999"))
@example(Decimal("-0E-999999"))
def test_exact_or_refused(value: Decimal) -> None:
    """What fits comes back equal; what is refused has no representation with 96 bits and 28 places."""
    try:
        back = unpack(pack(value))
    except OverflowError:
        assert not fits(value)
    else:
        assert back == value
        assert back.is_signed() == value.is_signed()


@given(st.booleans(), st.integers(1, MAX_MANTISSA), SCALES, st.integers(1, 40))
def test_trailing_zeros_go_when_that_makes_it_fit(negative: bool, mantissa: int, scale: int, zeros: int) -> None:
    value = number(negative, mantissa, scale)
    longer = number(negative, mantissa * 10**zeros, scale + zeros)
    assert unpack(pack(longer)) == value


def test_thousands_of_trailing_zeros_are_no_obstacle() -> None:
    assert unpack(pack(Decimal("1." + "0" * 10_000))) == 1


@pytest.mark.parametrize("text", ["1.10", "100", "0.00", "2.5000000000"])
def test_zeros_that_fit_are_kept(text: str) -> None:
    assert str(unpack(pack(Decimal(text)))) == text


@pytest.mark.parametrize(("value", "mantissa"), [("1E+28", 10**28), ("7E+28", 7 * 10**28), ("123E+3", 123_000)])
def test_positive_exponents_are_written_out(value: str, mantissa: int) -> None:
    assert parts(Decimal(value)) == (False, mantissa, 0)


@pytest.mark.parametrize(
    "value",
    [
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("-Infinity"),
        2**96,
        -(2**96),
        10**5000,
        Decimal(2**96),
        Decimal("79228162514264337593543950336"),
        Decimal("7922816251426433759354395033.51"),
        Decimal("8E+28"),
        Decimal("1E+29"),
        Decimal("1E+999999"),
        Decimal("1E-29"),
        Decimal("0." + "1" * 29),
        Decimal("9" * 5000),
        Decimal("9" * 5000 + "E-5000"),
    ],
    ids=lambda value: f"{value:.5}" if isinstance(value, Decimal) else f"{value.bit_length()}bits",
)
def test_what_does_not_fit_is_refused(value: Decimal | int) -> None:
    with pytest.raises(OverflowError) as caught:
        pack(value)
    assert 0 < len(str(caught.value)) < 200


@given(st.binary(max_size=40).filter(lambda data: len(data) != 16))
def test_another_length_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=f"not {len(data)}"):
        unpack(data)


@given(st.integers(29, 255))
def test_a_scale_above_28_is_refused(scale: int) -> None:
    with pytest.raises(ValueError, match="scale"):
        unpack(bytes((0, 0, scale)) + bytes(13))


@given(st.integers(1, 255).filter(lambda sign: sign != 0x80))
def test_a_sign_byte_other_than_0_and_80_is_refused(sign: int) -> None:
    with pytest.raises(ValueError, match=f"{sign:02X}"):
        unpack(bytes((0, 0, 0, sign)) + bytes(12))


@given(st.binary(min_size=16, max_size=16))
def test_whatever_unpacks_packs_to_the_same_bytes(data: bytes) -> None:
    try:
        value = unpack(data)
    except ValueError:
        return
    assert decimal96.pack(value, reserved=int.from_bytes(data[:2], "little")) == data
