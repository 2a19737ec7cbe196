"""What is read of a text in JScript: its errors and their places, the ends of its statements, its expressions."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcshim.clients.scripting.edits import Misread, Refused, place
from vpcshim.clients.scripting.jsgrammar import Source
from vpcshim.clients.scripting.jstokens import with_lines
from vpcshim.clients.scripting.language import JSCRIPT, prepare


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("function f() {\n  var a = 1;\n  var b = 2 +;\n}", "(3, 14): Syntax error"),
        ("switch (x) {\n case 1\n y(); }", "(3, 2): Expected ':'"),
        ("x()\ny z", "(2, 3): Expected ';'"),
        ("for (var e = new Enumerator(a; b; c) {}", "(1, 30): Expected ')'"),
        ("for (var i = 0, i < 1; i++) {}", "(1, 19): Expected ';'"),
        ("if x) y();", "(1, 4): Expected '('"),
        ("if (a == 1 {", "(1, 12): Expected ')'"),
        ("catch_(e) {\nx(e.y;\n}", "(1, 11): Expected ';'"),
        ("try { x(); } catch (e) {\n x(e.y;\n}", "(2, 7): Expected ')'"),
        ("function f() {\n var q = [1, 2;\n}", "(2, 15): Expected ']'"),
        ("function f()\nvar x = 1;", "(2, 1): Expected '{'"),
        ("function f() {\n x();\n", "(3, 1): Expected '}', for the { at (1, 14)"),
        ("x = {a: 1", "(1, 10): Expected '}', for the { at (1, 5)"),
        ("x(1,\n 2", "(2, 3): Expected ')', for the ( at (1, 2)"),
        ("x();\n}", "(2, 1): Syntax error"),
        ("var class = 5;", "(1, 5): Expected identifier"),
        ("var a = 1,", "(1, 11): Expected identifier"),
        ("var a = 1, b = (2 +\n;\nx();", "(2, 1): Syntax error"),
        ("x.", "(1, 3): Expected identifier"),
        ("function () {}", "(1, 1): Expected identifier"),
        ('x = "a\n";', "(1, 5): Unterminated string constant"),
        ("x = 'a\\", "(1, 5): Unterminated string constant"),
        ("x();\n/* no end", "(2, 1): Unterminated comment"),
        ("var r = /abc\nx(r)", "(1, 9): Expected '/'"),
        ("x(1);\n# y", "(2, 1): Invalid character"),
        ('x = "\\u00g1"', "(1, 8): Expected hexadecimal digit"),
        ("x = '\\\\u' + '\\x4'", "(1, 16): Expected hexadecimal digit"),
        ("x(1);\nreturn;\nx(2);", "(2, 1): 'return' statement outside of function"),
        ("for (;;) { break }\nbreak;", "(2, 1): Can't have 'break' outside of loop"),
        ("switch (x) { default: continue; }", "(1, 23): Can't have 'continue' outside of loop"),
        ("while (1) { function f() { break; } }", "(1, 28): Can't have 'break' outside of loop"),
        ("do { x(); } whlie (0)", "(1, 13): Expected 'while'"),
        ("a: a: x();", "(1, 4): Label redefined"),
        ("a: x(); for (;;) break a;", "(1, 24): Label not found"),
        ("switch (x) { default: y(); default: z(); }", "(1, 28): 'default' can only appear once"),
        ("x = {a: 1,};", "(1, 11): Expected identifier, string or number"),
        ("var \\u0069f = 1;", "(1, 5): Expected identifier"),
        ("function f(a,) {}", "(1, 14): Expected identifier"),
        ("function a.b() {}", "(1, 11): Expected '('"),
        ("x = 0x;", "(1, 7): Expected hexadecimal digit"),
        ("x = [", "(1, 6): Expected ']', for the [ at (1, 5)"),
        ("/*@cc_on @*/\ny = = 2;", "(2, 5): Syntax error"),
        ("x = {1: 2, +: 3}", "(1, 12): Expected identifier, string or number"),
        ("try { x(); }\ny();", "(2, 1): Expected 'catch'"),
        ("throw\nx;", "(2, 1): Throw must be followed by an expression"),
        ("if (0)\n x()\n y()\nelse\n z()", "(4, 1): Syntax error"),
        ("funtion f() {}", "(1, 9): Expected ';'"),
        ("case 1: x();", "(1, 1): Syntax error"),
        ("let x = 5;", "(1, 5): Expected ';'"),
        # Where a script is cut off, what its end lacks is not made up.
        ("x();\nwhile (n)", "(2, 10): Syntax error"),
        ("if (1) {} else", "(1, 15): Syntax error"),
        ("for (;;)", "(1, 9): Syntax error"),
        ("label:", "(1, 7): Syntax error"),
        ("/a/ /b/", "(1, 8): Syntax error"),
    ],
)  # fmt: skip
def test_an_error_of_syntax_is_told_where_it_is(text: str, told: str) -> None:
    with pytest.raises(Misread) as caught:
        Source(text)
    assert str(caught.value).startswith(told)
    assert re.search(r" \(Microsoft JScript compilation error, error 10\d\d\)\Z", str(caught.value))
    with pytest.raises(Misread):
        prepare(JSCRIPT, text, ())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "// only a comment",
        "/* a */ /**/ ;;",
        "a = b / c / d; e = /x/ / 2; f = (g) / h /i; j[0] / k /l;",
        "if (x) /re/.test(y); z = a++ / 2; w = [/]/, /[/\\]]/gi]; v = !/=/.test(u);",
        "x = a ? b : c ? d : e, f;",
        "for (;;) { if (a) continue; else break; }",
        "for (var i in o) { x(i); } for (i in o) y(i); for (d(1) in o) z(); for (o.p in q) {}",
        "for (var i = 0, n = ('a' in o) ? 1 : 2; i < n; i++);",
        "outer: for (;;) { inner: while (1) { continue outer; break inner; } }",
        "do x(); while (0) y(); do { x(); } while (0);",
        "switch (x) { case 1: case 2: y(); break; default: z(); } switch (x) {}",
        "try { x(); } catch (e) { y(e); } finally { z(); } try {} finally {}",
        "with (x) { y = 1; } throw new Error(5, 'd'); debugger;",
        "var f = function g(a, b) { return; }, h = new (x.y())(1).z, i = new A, j = new new B()();",
        "function vm::OnStateChange(state) {} function f() { return a; }",
        "x = {a: 1, 'b': [1, , 2,], 3: function () {}, if: 4}; y = {}; x.if = x.new;",
        "x = typeof -a + !b * ~c % void 0 - delete d.e; ++f; --g.h; x = - -y; x = +(+y);",
        "x >>>= 1; x = a >>> b >> c << d; x = a <= b === c != d instanceof e in f && g || h | i & j ^ k;",
        "d('a') = 1; o.p(1)(2) += 3; f()++;",
        "\ufeffvar \\u0061b$_1 = 0x1F + 1.5e-3 + .5 + 5. + 08; \t\v\f\xa0 x = 'it\\'s';",
        "x = 'a\\\nb' + \"c\\\r\nd\\\u2028\";",
        "x = /* a\nb */ 5; y = 'http://x' // z\n;",
        "//@author me\n/*@x*/ y();",
        "/*@cc_on @*/ /*@ x(); @*/ //@ y();\n@set @z = 5\n@if (@z == (5)) x(@z); @elif (@w) y(); @else z(); @end",
        "x = @if (@_win32) 1 @else 2 @end + 3\n@if (@a) y() @elif (@b) z() @end",
        "x = " + "+".join(["a"] * 5000) + "; " + "else ".join(["if (a) b(); "] * 2000),
        "var text = " + " + ".join(["'line'"] * 5000) + "; if (text < " + " + ".join(["a"] * 5000) + ") x();",
    ],
)  # fmt: skip
def test_what_is_jscript_is_read(text: str) -> None:
    prepare(JSCRIPT, text, ())


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("a = 1\nb = 2", "a = 1;\nb = 2;"),
        ("i\n++i\nj", "i;\n++i;\nj;"),
        ("a = b\n(c)\n[d]\n/e/g", "a = b\n(c)\n[d]\n/e/g;"),
        ("function f() { return\n5 }", "function f() { return;\n5; }"),
        ("if (a) b\nelse c", "if (a) b;\nelse c;"),
        ("do a(); while (0) b()", "do a(); while (0); b();"),
        ("for (;;) { break\nx }", "for (;;) { break;\nx; }"),
        ("var a = 1 // b\n, c /* d\n*/ e = {}", "var a = 1 // b\n, c; /* d\n*/ e = {};"),
        ("x = function () { y }\nz", "x = function () { y; };\nz;"),
        ("function f() {}\n{ a }\n;", "function f() {}\n{ a; }\n;"),
        ("throw a\nb", "throw a;\nb;"),
        ("x: y", "x: y;"),
        ("debugger\ndebugger;", ";\n;"),
        ("//@a\n/*@b*/ c", "// @a\n/* @b*/ c;"),
        ("/*@cc_on a(); @*/ /*@ b() @*/\n//@ c()", "/*@cc_on a(); @*/     b();    \n    c();"),
        ("/*@cc_on @*/ /*@a; */ b = 1\n/*@c @*/", "/*@cc_on @*/    a;    b = 1;\n   c;    "),
        ("@set @x = 5; a\nb", "@set @x = 5; a;\nb;"),
        ("x = @if (@y) 1 @else 2 @end\n+ 3", "x = @if (@y) 1 @else 2 @end\n+ 3;"),
        ("var \\u0061b\\u0063 = x", "var abc = x;"),
        ("a = '\\\n' + function () { b }\rc\u2028d", "a = '' + function () { b; };\nc;\nd;"),
    ],
)
def test_every_statement_gets_its_end(text: str, ended: str) -> None:
    prepared = prepare(JSCRIPT, text, ())
    assert prepared.text == ended
    if "debugger" not in text:
        at, last = max(map(ended.rfind, "abcdefgxyzj")), max(map(text.rfind, "abcdefgxyzj"))
        assert prepared.place(*place(ended, at)) == place(with_lines(text), last)


def test_what_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(Refused, match=r"^\(1, \d+\): this is nested more deeply"):
        Source("(" * 5000)


def test_a_line_ends_where_jscript_ends_it() -> None:
    with pytest.raises(Misread, match=r"^\(3, 5\): "):
        prepare(JSCRIPT, "x();\ry();\u2028y = = 2;", ())


def test_branches_that_do_not_fit_together_are_refused() -> None:
    text = "/*@cc_on @if (@_win32) function f() { @else function g() { @end } @*/\nx();"
    with pytest.raises(Refused, match=r"^\(2, 5\): the branches of @if .*\(2, 5\): Expected '}', for the { at"):
        prepare(JSCRIPT, text, ())


@given(st.text() | st.text("aif(){}[];,=+-/*'\"\\\n .:?<>!@1"))
def test_no_text_is_too_odd(text: str) -> None:
    try:
        prepared = prepare(JSCRIPT, text, ())
    except (Misread, Refused) as told:
        line, column = map(int, re.findall(r"\d+", str(told))[:2])
        lines = with_lines(text).split("\n")
        assert 1 <= line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1
    else:
        whole = with_lines(text)
        assert prepared.place(*place(prepared.text, len(prepared.text))) == place(whole, len(whole))


# -- programs that are made, not found -----------------------------------------------------------------------------

names = st.sampled_from(["a", "b.c", "d[0]", "e(1, f)", "this", "new G(h)", "i.if"])
literals = st.sampled_from(["1", "'x;y'", '"}"', "/[/;]\\//g", "[]", "[1, , 2]", "{}", "{a: 1, 'b': 2}", "null"])
operators = st.sampled_from(["+", "-", "*", "/", "%", "<", ">=", "==", "!==", "&&", "||", "&", "<<", ">>>", "in"])


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, operators, inner).map(" ".join),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]}) ? {p[1]} : {p[2]}"),
        inner.map(lambda x: f"({x})"),
        inner.map(lambda x: f"typeof {x}"),
        inner.map(lambda x: f"f({x}, {x})"),
        inner.map(lambda x: f"function (p) {{ return {x}; }}"),
    )


expressions = st.recursive(names | literals, _expressions, max_leaves=6)


def _statements(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    """Statements as lists of lines, each whole or the head of a block; those that want a semicolon end in one."""
    block: Callable[[str, list[str]], list[str]] = lambda head, body: [f"{head} {{", *body, "}"]  # noqa: E731
    return st.one_of(
        st.tuples(expressions, inner).map(lambda p: block(f"if ({p[0]})", p[1])),
        st.tuples(expressions, inner).map(lambda p: block(f"while ({p[0]})", p[1])),
        inner.map(lambda body: block("for (var k in o)", [*body, "continue;"])),
        inner.map(lambda body: block("function f(p)", [*body, "return p;"])),
        st.tuples(inner, inner).map(lambda p: ["try {", *p[0], "} catch (e) {", *p[1], "}"]),
        st.tuples(inner, inner).map(lambda p: [*p[0], *p[1]]),
        st.tuples(expressions, inner).map(lambda p: ["do {", *p[1], f"}} while ({p[0]});"]),
    )


simple = expressions.map(lambda x: f"x = {x};") | expressions.map(lambda x: f"var y = {x};")
programs = st.recursive(simple.map(lambda line: [line]), _statements, max_leaves=6)


@given(programs)
def test_a_program_without_semicolons_is_the_one_with_them(lines: list[str]) -> None:
    whole = "\n".join(lines)
    bare = "\n".join(line[:-1] if line.endswith(";") else line for line in lines)
    assert Source(whole).semicolons == []
    assert prepare(JSCRIPT, bare, ()).text == prepare(JSCRIPT, whole, ()).text
    shape = [(node.kind, node.text, len(node.parts)) for node in Source(whole).nodes]
    assert [(node.kind, node.text, len(node.parts)) for node in Source(bare).nodes] == shape


@given(programs)
def test_what_is_put_in_keeps_apart_from_words(lines: list[str]) -> None:
    """`return +x` and `return+x` are the same to the engine, whatever is put before x."""
    spaced = "\n".join(lines).replace("return ", "return new Date() < +").replace("typeof ", "typeof +")
    tight = spaced.replace("typeof +", "typeof+").replace("return new Date() < +", "return+")
    text = prepare(JSCRIPT, tight, ()).text
    assert not re.search(r"\w(?=vpcshim_)", text)
    Source(text)


@given(programs)
def test_a_program_that_is_cut_off_in_a_block_is_an_error(lines: list[str]) -> None:
    depth = 0
    for count, line in enumerate(lines, 1):
        depth += line.endswith("{") - line.startswith("}")
        if depth:
            with pytest.raises(Misread):
                Source("\n".join(lines[:count]))
        else:
            Source("\n".join(lines[:count]))
