"""What JScript's own functions give in Wine's engine, beside what the language's standard says."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path

import pytest

import vpcshim
from tests.harness.wine import need_wine
from vpcshim.clients.check import check
from vpcshim.clients.scripting.language import JSCRIPT, Prepared
from vpcshim.clients.scripts import FAILED, run_script
from vpcshim.clients.syntax import wrong
from vpcshim.com.object import ComObject

EXACT = Context(prec=1200)  # more digits than any double has


@pytest.fixture(scope="module", autouse=True)
def _wine() -> None:
    need_wine()


@pytest.fixture
def ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, str, str]]:
    """The exit code of a JScript of the test's own, what it prints, and what is told of it behind its path."""

    def run(text: str) -> tuple[int, str, str]:
        path = tmp_path / "own.js"
        path.write_bytes(text.encode())
        code = run_script(path, (), application, ())
        out, err = capsys.readouterr()
        assert not err or err.startswith(str(path))
        return code, out, err.removeprefix(str(path))

    return run


@pytest.fixture
def printed(ran: Callable[[str], tuple[int, str, str]]) -> Callable[[str], list[str]]:
    """The lines that a JScript of the test's own prints; it must not fail."""

    def run(text: str) -> list[str]:
        code, out, err = ran(text)
        assert (code, err) == (0, "")
        return out.splitlines()

    return run


def application(progid: str, _server: str | None) -> ComObject:
    return vpcshim.CreateObject(progid, "test:///default")


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
        ("(0.009).toExponential()", "9e-3"),
        ("(1 / 3).toExponential()", "3.333333333333333e-1"),
        ("(0).toExponential()", "0e+0"),
        ("(-1e21).toExponential(undefined)", "-1e+21"),
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


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.3", "0.3"),
        ("99.99", "99.99"),
        ("1.5e3", "1500"),
        (" -5.10\\t", "-5.1"),
        ("+.5", "0.5"),
        ("5.", "5"),
        ("", "0"),
        ("0x1F", "31"),
        ("0X1f", "31"),
        ("-Infinity", "-Infinity"),
        ("12345678901234567890", "12345678901234567000"),
        ("1e400", "Infinity"),
        *(
            (none, "NaN")
            for none in ("-", ".", "e", "+", "1e", "0x", "0xG", "0x10zz", "-0x10", "5 MB", "1,5", "infinity")
        ),
    ],
)
def test_the_number_of_a_text(printed: Callable[[str], list[str]], text: str, number: str) -> None:
    shown = f"WScript.Echo('' + Number(t), isNaN(t), isFinite(t), Number(t) == {number} && +t == {number});\n"
    nan, finite = -(number == "NaN"), -(number not in ("NaN", "Infinity", "-Infinity"))
    wanted = f"{number} {nan} {finite} {0 if nan else -1}"
    assert printed(f"var t = '{text}';\n{shown}") == [wanted]


def test_the_number_of_what_is_no_text(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "var o = new Number('7'), d = new Date(5);\n"
        "WScript.Echo('' + [Number(), Number(null), Number(undefined), Number(true), Number(d), Number(o)]);\n"
        "WScript.Echo('' + [isNaN(), isNaN(undefined), isFinite(null), isNaN('x' + 1), Number('2') + Number(3)]);\n"
        "WScript.Echo(typeof o, o instanceof Number, '' + Number.MAX_VALUE);\n"
    )
    assert lines == ["0,0,NaN,1,5,7", "true,true,true,true,5", "object -1 1.7976931348623157e+308"]


def test_a_script_may_have_its_own_number(printed: Callable[[str], list[str]]) -> None:
    own = "function Number(x) { return 'own ' + x; }\n"
    assert printed(f"{own}WScript.Echo(Number('5'), isNaN('x'), isNaN(5), isFinite());\n") == ["own 5 -1 0 0"]


def test_the_constants_of_number(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "WScript.Echo('' + [Number.MAX_VALUE, Number.MIN_VALUE, Number.NaN, Number.POSITIVE_INFINITY]);\n"
        "var smallest = Number.MAX_VALUE; if (5 < smallest) smallest = 5;\n"
        "WScript.Echo(smallest, '' + Number.NEGATIVE_INFINITY);\n"
    )
    assert lines == ["1.7976931348623157e+308,5e-324,NaN,Infinity", "5 -Infinity"]


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        ("1073741824", "1,073,741,824.00"),
        ("-1234567.891", "-1,234,567.89"),
        ("999", "999.00"),
        ("0.5", "0.50"),
        ("1.0049", "1.00"),
        ("new Number(-2.005)", "-2.00"),
        ("1e15", "1,000,000,000,000,000.00"),
    ],
)
def test_the_groups_of_a_number(printed: Callable[[str], list[str]], number: str, wanted: str) -> None:
    assert printed(f"WScript.Echo(({number}).toLocaleString());\n") == [wanted]


# -- regular expressions, texts, dates ---------------------------------------------------------------------------


def test_what_a_replacement_found(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "'x=12;'.replace(/(\\w)=(\\d+)/, '');\nWScript.Echo(RegExp.$1, RegExp.$2, RegExp.$3 == '');\n"
        "/(\\d+)GB/.test('disk 12GB');\nvar t = 'a,b'.replace(/,/g, ';');\nWScript.Echo(t, RegExp.$1 == '');\n"
        "WScript.Echo('a1b2'.replace(/(\\d)/g, '<$1>'), RegExp.$1, 'a.b'.replace('.', '-'));\n"
        "WScript.Echo('ab'.replace(/a/, function (found) { return found + '!'; }), RegExp.rightContext);\n"
    )
    assert lines == ["x 12 -1", "a;b -1", "a<1>b<2> 2 a-b", "a!b b"]


def test_a_function_that_replaces_is_told_what_was_found(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "function decoded() { return String.fromCharCode(parseInt(RegExp.$1, 16)); }\n"
        "WScript.Echo('%41%42%43'.replace(/%(\\w\\w)/g, decoded), RegExp.$1);\n"
        "function up(all, first, at, whole) {\n"
        "return RegExp.$1.toUpperCase() + at + whole.length + RegExp.leftContext; }\n"
        "WScript.Echo('one TWO'.replace(/\\b(t)/i, up), 'one two'.replace(/\\b(\\w)/g, up));\n"
    )
    assert lines == ["ABC 43", "one T47one WO O07ne T47one wo"]


def test_texts_that_were_joined_are_compared_whole(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "var x = 'machine-name-', a = x + '1', b = x + '2', long = new Array(400).join('ab');\n"
        "WScript.Echo(a == b, a != b, a === x + '1', (x + 'é') == (x + 'è'), long + a == long + b);\n"
        "WScript.Echo(a < b, b <= a);\n"
        "switch (a) { case x + '2': WScript.Echo('wrong'); break; case x + '1': WScript.Echo('right'); }\n"
        "function less(a, b) { return a < b; }\n"
        "WScript.Echo(less(x, a), less(a, x), x > a, a >= x, less('\\u00e9', '\\u0101'), less(x + a, x + b));\n"
        "var c = x + '\\u00e9', d = x + '\\u0101', sorted = [a, x, d, b, c].sort();\n"
        "WScript.Echo(sorted.join() == [x, a, b, c, d].join());\n"
    )
    assert lines == ["0 -1 -1 0 0", "-1 0", "right", "-1 0 0 -1 -1 -1", "-1"]


def test_arrays_are_sorted_by_their_texts(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "WScript.Echo([10, 9, 1, 100, -5].sort().join(), [true, 'b', undefined, 'a', null, 3].sort().join());\n"
        "var s = [5, undefined, 'x', , 10]\n.sort\n(); WScript.Echo(s.join(), s.length, 3 in s, 4 in s);\n"
        "function up(a, b) { return a - b; }\n"
        "WScript.Echo(new Array(3).sort().length, [[2], [1]].sort()[0][0], [3, 20, 1].sort(up));\n"
        "var own = {sort: function () { return 'own'; }}, list = [20, 3];\n"
        "WScript.Echo(own.sort(), [2, 1].reverse().sort().join());\n"
        "WScript.Echo(list //@ sorted\n .sort(/*@ by text @*/).join());\n"
        "list.sort = function () { return 'mine'; }; WScript.Echo(list.sort(), [list][0].sort());\n"
        "Array.prototype.sort = function () { return 'all'; }; WScript.Echo([1].sort());\n"
    )
    assert lines == [
        "-5,1,10,100,9 3,a,b,,true,",
        "10,5,x,, 5 -1 0",
        "3 1 1,3,20",
        "own 1,2",
        "20,3",
        "mine mine",
        "all",
    ]


def test_an_error_in_what_is_put_in_has_no_place_of_its_own(ran: Callable[[str], tuple[int, str, str]]) -> None:
    for text, told in (
        ("var x = 1;\nx.toFixed(21);\n", ": Number of fraction digits is out of range"),
        ("\n[2, 1].sort(function () {\n nothing();\n});\n", "(2, 1): Object expected"),
        ("\n[2, 1].\nsort(); nothing();\n", "(3, 9): Object expected"),
        ("var names;\n names.sort();\n", "(2, 2): "),
        ("var o = {};\n  o.sort();\n", "(2, 3): Object doesn't support this property or method"),
    ):
        code, _, err = ran(text)
        assert code == FAILED
        assert err.startswith(told)


def test_what_is_not_there_stays_so_in_front_of_which_is_put(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "var a = ['b', , 'c']; WScript.Echo(a.unshift(0, 1), a.join(), 3 in a, [].unshift(), [1].unshift('x'));\n"
        "WScript.Echo(new Array(3).unshift(1), new Array(1).unshift(), a.length);\n"
        "var o = {length: 1, 0: 'y'}; Array.prototype.unshift.call(o, 'x'); WScript.Echo(o[0], o[1], o.length);\n"
    )
    assert lines == ["5 0,1,b,,c 0 0 2", "4 1 5", "x y 2"]


def test_an_engine_that_takes_texts_for_equal_which_are_not_runs_nothing(
    ran: Callable[[str], tuple[int, str, str]],
) -> None:
    assert ran("vpcshim_engine.Equal(false);\nvpcshim_engine.Equal(true);\n") == (
        FAILED,
        "",
        "(2, 1): this version of Wine compares texts in a way unknown here (the script, error 0x80004005)\n",
    )


def test_what_matches_nothing_at_all(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "WScript.Echo('tab'.match(/x*/g).length, 'tab'.match(/$/g).length, 'a b'.match(/\\b/g).length);\n"
        "WScript.Echo('b'.match(/a/g));\n"
        "WScript.Echo('aXbX'.match(/x(.?)/gi).join(), RegExp.$1 == '', 'k=v'.match(/(.)=(.)/).join(), RegExp.$2);\n"
        "WScript.Echo('x'.replace(/(x)?/g, '[$1]'), RegExp.$1 == '');\n"
        "WScript.Echo('ab1'.match(/(\\d?)/g).join('|'), RegExp.$1 == '');\n"
    )
    assert lines == ["4 1 4", "null", "Xb,X -1 k=v,k,v v", "[x][] -1", "||1| -1"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.5e3x", "1500"), ("  -Infinity!", "-Infinity"), ("12px", "12"), (".5.5", "0.5"), ("1e", "1"), ("-", "NaN")],
)
def test_what_a_text_begins_with(printed: Callable[[str], list[str]], text: str, number: str) -> None:
    assert printed(f"WScript.Echo('' + parseFloat('{text}'));\n") == [number]


def test_numbers_are_read_exactly(printed: Callable[[str], list[str]]) -> None:
    rng = random.Random(2)
    numbers = [rng.random() * 10.0 ** rng.randrange(-30, 30) for _ in range(200)]
    numbers += [0.1, 5e-324, 1.7976931348623157e308, 9007199254740993.0, 123456789012345680000.0]
    lines = printed(
        "\n".join(f"WScript.Echo('' + {x!r}, '' + parseFloat('{x!r}'), {x!r} == +'{x!r}');" for x in numbers)
    )
    assert lines == [f"{as_text(x)} {as_text(x)} -1" for x in numbers]


def test_what_replaces_a_text_has_dollars(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "WScript.Echo('x'.replace('x', '[$&]'), 'a.b'.replace('.', '$$'), 'abc'.replace('b', \"$`$'$1\"));\n"
        "WScript.Echo('abc'.replace('x', '$&'), 'a'.replace('a'), 'aXa'.replace(/X/, '$&$&'));\n"
        "'x-y'.match(/(.)-(.)/); WScript.Echo('a1'.replace(1, '$&$&$'), RegExp.$1, RegExp.$2);\n"
        "WScript.Echo('ab'.replace('a', function (found) { return found + '$&'; }));\n"
    )
    assert lines == ["[x] a$b aac$1c", "abc undefined aXXa", "a11$ x y", "a$&b"]


def test_texts_are_compared_as_the_locale_sorts_them(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "WScript.Echo('abc'.localeCompare('abd'), 'b'.localeCompare('A'), 'x'.localeCompare('x'));\n"
        "function order(x, y) { return x.localeCompare(y); }\nWScript.Echo(['b', 'B', 'a', 'C', ''].sort(order));\n"
    )
    assert lines == ["-1 1 0", ",a,b,B,C"]


def test_an_item_that_is_assigned(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "var d = new ActiveXObject('Scripting.Dictionary')\nd('a') = 1\nd('a') += 2\nd('b') = 'x'\n"
        "WScript.Echo(d('a')++, d('a'), ++d('a'), d('a')--, --d('a'), d('a'), d('b'))\n"
    )
    assert lines == ["3 4 5 5 3 3 x"]


def test_null_is_echoed(printed: Callable[[str], list[str]]) -> None:
    lines = printed(
        "var vs = new ActiveXObject('VirtualServer.Application');\n"
        "WScript.Echo(null, 1, vs.FindVirtualMachine('nothere'));\n"
        "try { WScript.StdOut.WriteLine(null); } catch (e) { WScript.Echo(e.number & 0xffff); }\n"
    )
    assert lines == ["null 1 null", "13"]


def test_a_text_that_goes_on_in_the_next_line(ran: Callable[[str], tuple[int, str, str]]) -> None:
    for end in ("\n", "\r\n"):
        text = f"var t = 'a\\{end}b\\\\';{end}WScript.Echo(t, t.length);{end}  nothing();{end}"
        code, out, err = ran(text)
        assert (code, out) == (FAILED, "ab\\ 3\n")
        assert err.startswith("(4, 3): ")


def test_dates_of_a_file_are_equal(printed: Callable[[str], list[str]], tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("")
    os.utime(tmp_path / "b", (0, 86400))
    lines = printed(
        "var fso = new ActiveXObject('Scripting.FileSystemObject');\n"
        f"var a = fso.GetFile('{tmp_path}/a'), b = fso.GetFile('{tmp_path}/b'), kept = a.DateLastModified;\n"
        "WScript.Echo(a.DateLastModified == a.DateLastModified, a.DateLastModified != kept, kept === kept);\n"
        "WScript.Echo(a.DateLastModified == b.DateLastModified, kept !== b.DateLastModified, kept == null);\n"
        "WScript.Echo(kept == new Date(kept), new Date(0) == new Date(0));\n"
    )
    assert lines == ["-1 0 -1", "0 -1 0", "-1 0"]


# -- syntax: errors are told before anything runs, and what the engine drops without a word is read ----------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('WScript.Echo("x")\nif (1) {\n WScript.Echo("x")\n', "(4, 1): Expected '}', for the { at (2, 8)"),
        ("WScript.Echo(1);\nreturn;", "(2, 1): 'return' statement outside of function"),
        ('WScript.Echo("before")\nvar a = 1\n}\nWScript.Echo("after")', "(3, 1): Syntax error"),
        ('WScript.Echo("ran");\nvar n = 1;\nwhile (n)', "(3, 10): Syntax error"),
    ],
)
def test_a_script_with_an_error_of_syntax_does_not_begin(
    ran: Callable[[str], tuple[int, str, str]], text: str, told: str
) -> None:
    code, out, err = ran(text)
    assert (code, out) == (FAILED, "")
    assert err.startswith(told)
    refused = check(text, "jscript", engine=True).refused
    assert refused is not None
    assert f"{refused}\n" == err


# What Wine's engine takes for nothing, or stops at, as it stands.
DROPPED = "var i=0\ni++\ni\n++i\nWScript.Echo('last', i)"


def test_what_the_engine_drops_is_read(printed: Callable[[str], list[str]]) -> None:
    assert printed(DROPPED) == ["last 2"]


def test_half_a_script_does_not_run() -> None:
    told = wrong(JSCRIPT, Prepared("", DROPPED, DROPPED, ()))
    assert told is not None
    assert told.startswith(": Syntax error: Wine's engine does not read the script to its end")
    told = wrong(JSCRIPT, Prepared("", "x = 1;\ny = = 2;", "x = 1;\ny = = 2;", ()))
    assert told is not None
    assert told.startswith("(2, 5): ")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("//@author me\n/*@x*/ WScript.Echo(1) //@ WScript.Echo(2)", ["1"]),
        ("/*@cc_on @*/\n/*@ WScript.Echo('a'); @*/\n//@ WScript.Echo('b');\n", ["a", "b"]),
        ("@set @x = 5\n@if (@x > (3)) WScript.Echo('more') @else WScript.Echo('less') @end\n", ["more"]),
        ("var \\u0061b = 1; WScript.Echo(a\\u0062)\rif (ab) WScript.Echo(2)", ["1", "2"]),
        ("function f(x) { if (x) return+x\nelse return typeof+x }\nWScript.Echo(f('1e1'), f(''))", ["10 number"]),
        ("var of = /*@cc_on!@*/false; WScript.Echo(of)", ["-1"]),
        ("debugger\ndo { WScript.Echo(1) } while (false) WScript.Echo(2)", ["1", "2"]),
        ("function f() { return\n5 }\nWScript.Echo(typeof f())\nvar a = 1\n;[1].join()\na\n++a\nWScript.Echo(a)",
         ["undefined", "2"]),
        ("a: for (;;) { break a }\nif (1) WScript.Echo(1)\nelse WScript.Echo(2)\nvar f = function () { }\nf()",
         ["1"]),
    ],
)  # fmt: skip
def test_a_text_as_microsofts_engine_takes_it(
    printed: Callable[[str], list[str]], text: str, lines: list[str]
) -> None:
    assert printed(text) == lines


@pytest.mark.parametrize("text", ["", "// nothing", "WScript.Echo(1) // end", "/* all */", ";", "function f() {}"])
def test_a_whole_script_is_read_and_only_read(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    report = check(text, "jscript", engine=True)
    assert (report.refused, report.unread) == (None, None)
    assert capfd.readouterr() == ("", "")
