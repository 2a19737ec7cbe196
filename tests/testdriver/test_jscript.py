"""What JScript's own functions give in Wine's engine, beside what the language's standard says."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path

import pytest

import vpcshim
from tests.harness.wine import need_wine
from vpcshim.clients.scripts import run_script

EXACT = Context(prec=1200)  # more digits than any double has


@pytest.fixture(scope="module", autouse=True)
def _wine() -> None:
    need_wine()


@pytest.fixture
def printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], list[str]]:
    """The lines that a JScript of the test's own prints; it must not fail."""

    def run(text: str) -> list[str]:
        path = tmp_path / "own.js"
        path.write_text(text, encoding="utf-8")
        code = run_script(path, (), lambda progid, _server: vpcshim.CreateObject(progid, "test:///default"), ())
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return out.splitlines()

    return run


# -- numbers (ECMA-262, 9.8.1 and 15.7.4), by Python's decimals ----------------------------------------------------


def as_text(x: float) -> str:
    sign, parts, _ = Decimal(repr(x)).as_tuple()
    digits, exponent = "".join(map(str, parts)).rstrip("0") or "0", Decimal(repr(x)).adjusted()
    if not x:
        return "0"
    if exponent > 20 or exponent < -6:
        shown = scientific(digits, exponent)
    else:
        shown = plain(digits, exponent, max(0, len(digits) - 1 - exponent))
    return "-" * sign + shown


def scientific(digits: str, exponent: int) -> str:
    return f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{exponent:+d}"


def plain(digits: str, exponent: int, places: int) -> str:
    if exponent < 0:
        digits, exponent = "0" * -exponent + digits, 0
    digits = digits.ljust(exponent + 1 + places, "0")
    return digits[: exponent + 1] + ("." + digits[exponent + 1 :] if places else "")


def significant(x: float, count: int) -> tuple[str, int]:
    """So many digits of a number that is not negative, halves upwards, and the exponent of the first."""
    if not x:
        return "0" * count, 0
    exponent = Decimal(x).adjusted()
    scaled = Decimal(x).scaleb(count - 1 - exponent, EXACT).quantize(Decimal(1), ROUND_HALF_UP, EXACT)
    digits = str(int(scaled))
    return (digits, exponent) if len(digits) == count else (digits[:-1], exponent + 1)


def fixed(x: float, count: int) -> str:
    shown = str(abs(Decimal(x)).quantize(Decimal(1).scaleb(-count), ROUND_HALF_UP, EXACT))
    return "-" * (x < 0) + shown


def precise(x: float, count: int) -> str:
    digits, exponent = significant(abs(x), count)
    outside = exponent < -6 or exponent >= count
    shown = scientific(digits, exponent) if outside else plain(digits, exponent, count - 1 - exponent)
    return "-" * (x < 0) + shown


def exponential(x: float, count: int) -> str:
    return "-" * (x < 0) + scientific(*significant(abs(x), count + 1))


def test_numbers_have_all_their_digits(printed: Callable[[str], list[str]]) -> None:
    rng = random.Random(1)
    quotients = [(5, 10), (15, 10), (25, 10), (1, 8), (3, 8), (9, 1000), (1005, 1000), (99995, 1000), (96, 100)]
    quotients += [(0, 1), (10**15, 1), (2**53, 1), (-7, 3), (1, 2**24), (1, 2**44), (1, 1000000), (1, 10**7)]
    for _ in range(1000):
        divisor = rng.choice([1, 3, 7, 10, 64, 100, 1000, 1024, 4096, 86400, 2**20, 2**30, 10**20])
        quotients.append((rng.choice([1, -1]) * rng.randrange(1 << rng.choice([4, 10, 20, 31, 40, 53])), divisor))
    counts = [rng.randrange(7) for _ in quotients]
    calls = [f"show({a} / {b}, {n});" for (a, b), n in zip(quotients, counts, strict=True)]
    texts = "[x, x.toFixed(n), x.toPrecision(n + 1), x.toExponential(n)].join(' ')"
    show = f"function show(x, n) {{ WScript.Echo({texts}); }}"
    wanted = [
        " ".join((as_text(a / b), fixed(a / b, n), precise(a / b, n + 1), exponential(a / b, n)))
        for (a, b), n in zip(quotients, counts, strict=True)
    ]
    assert printed("\n".join((show, *calls))) == wanted


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("(0.009).toFixed(2)", "0.01"),
        ("(2.5).toFixed()", "3"),
        ("(1e21).toFixed(2)", "1e+21"),
        ("NaN.toFixed(2)", "NaN"),
        ("(1 / 0).toPrecision(2)", "Infinity"),
        ("(123.456).toPrecision()", "123.456"),
        ("(123.456).toExponential()", "1.23456e+2"),
        ("(99.99).toPrecision(2)", "1.0e+2"),
        ("new Number(3.14159)['toFixed']('2')", "3.14"),
        ("(3.7).toFixed(1.9)", "3.7"),
        ("'' + 1 / 3", "0.3333333333333333"),
        ("'' + 1e21", "1e+21"),
        ("'' + -1e-7", "-1e-7"),
        ("'' + 1e-300", "1e-300"),
        ("'' + 1.7976931348623157e308", "1.7976931348623157e+308"),
        ("[9007199254740991, 0.1, -4294967296].join()", "9007199254740991,0.1,-4294967296"),
        # A number goes to Echo as a Double, which OLE Automation writes with 15 digits: on Windows, too.
        ("1 / 3", "0.333333333333333"),
        ("1e15", "1E+15"),
    ],
)
def test_a_number_as_a_text(printed: Callable[[str], list[str]], written: str, wanted: str) -> None:
    assert printed(f"WScript.Echo({written});\n") == [wanted]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("(1).toFixed(21)", 5026),
        ("(1).toFixed(-1)", 5026),
        ("(1).toPrecision(0)", 5027),
        ("(1).toPrecision(22)", 5027),
        ("Number.prototype.toFixed.call('x', 1)", 5001),
    ],
)
def test_what_a_number_is_not_written_with_is_the_engines_error(
    printed: Callable[[str], list[str]], written: str, number: int
) -> None:
    caught = "catch (e) { WScript.Echo(e.number & 0xffff, e instanceof RangeError || e instanceof TypeError); }\n"
    assert printed(f"try {{ {written}; }} {caught}") == [f"{number} -1"]


def test_a_script_may_have_its_own(printed: Callable[[str], list[str]]) -> None:
    own = "Number.prototype.toFixed = function () { return 'mine'; };\n"
    assert printed(f"{own}WScript.Echo((1).toFixed(2), (0.09).toPrecision(1));\n") == ["mine 0.09"]
