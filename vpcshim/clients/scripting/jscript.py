"""The text of a script in JScript as Wine's engine takes it (`language.py` is about what is common to both).

Dates that are compared are in `comparisons.py`, and what of JScript's own library is replaced in `jslibrary.py`.
Every statement gets its semicolon: the engine loses what stands behind a line without one (`whole.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vpcshim.clients.scripting.comparisons import compared
from vpcshim.clients.scripting.edits import Edit, Prepared, Refused, edited, place
from vpcshim.clients.scripting.expressions import ENGINE, HOLDER
from vpcshim.clients.scripting.jsgrammar import Node, Source
from vpcshim.clients.scripting.jslibrary import library
from vpcshim.clients.scripting.jstokens import with_lines

_WORD = re.compile(r"[\w$]")
# What a text is made a number by.
_NUMBERS = frozenset(("Number", "isNaN", "isFinite", "parseFloat"))
# What the engine reads exactly of a literal: so much, times or divided by such a power of ten.
_MOST, _POWER = 1 << 53, 22
_DECIMAL = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<rest>[0-9]*))?(?:[eE](?P<power>[-+]?[0-9]+))?")
_LONGEST_POWER = 4
# What may be asked for twice.
_PLAIN = re.compile(r"[\w$.]+")
# Members of RegExp that Microsoft's engine has: these are undefined, without a word.
_PATTERNS = frozenset(("lastMatch", "lastParen", "lastIndex", "index", "input", "$_", "$&", "$+", "$*"))


def jscript(text: str, *, strict: bool) -> Prepared:
    """The script's text for the engine; with `strict`, `try` has no effect where that can be told.

    Raises:
        Misread: There is an error of syntax.
        Refused: It names what the engine has not, and hands out as undefined.
    """
    text = with_lines(text)
    source = Source(text)
    _known(source, text)
    # In this order where they begin at one place: the first is around the others.
    prelude, edits = compared(source)
    edits += [
        *_sorted(source, text),
        *_numbers(source),
        *_assigned_calls(source),
        *_objects(source, text),
        *source.edits,
    ]
    if strict:
        edits += _untried(source)
    edits += [(at, at, ";") for at in source.semicolons]
    prepared = edited(prelude, text, [_apart(text, edit) for edit in _outermost(edits)])
    return replace(prepared, prelude=prepared.prelude + library(prepared.text))


def _outermost(edits: list[Edit]) -> Iterator[Edit]:
    """The edits without those within what another replaces: comments there."""
    end = 0
    for edit in sorted(edits, key=lambda edit: edit[:2]):
        if edit[0] >= end:
            end = edit[1]
            yield edit


def _apart(text: str, edit: Edit) -> Edit:
    """The edit with a blank between a name that it begins with and a word before: `return+x`."""
    begin, end, new = edit
    return (begin, end, f" {new}") if _WORD.match(new) and _WORD.match(text, begin - 1) and begin else edit


def _known(source: Source, text: str) -> None:
    """Refuse the members of RegExp that are not there."""
    for node in source.nodes:
        if node.kind in ("member", "index") and _is(node.parts[0], "RegExp") and "RegExp" not in source.own:
            name = node.text if node.kind == "member" else node.parts[1].text.strip("\"'")
            literal = node.kind == "member" or node.parts[1].kind == "literal"
            if literal and name in _PATTERNS:
                raise Refused(*place(text, node.begin), f"Wine's engine has no RegExp.{name}")


def _is(node: Node, name: str) -> bool:
    return node.kind == "name" and node.text == name


def _numbers(source: Source) -> list[Edit]:
    """What makes a number of a text, where that can be told from what an operator joins: our functions for it."""
    names = _NUMBERS - source.own
    edits: list[Edit] = []
    for node in source.nodes:
        of = node.parts[0] if node.parts else node
        if node.kind == "call" and of.kind == "name" and of.text in names:
            edits.append((of.begin, of.begin, "vpcshim_"))
        elif node.kind == "literal" and node.is_number and not _is_read_exactly(node.text):
            edits.append((node.begin, node.end, f'{ENGINE}.Number("{node.text}")'))
        elif node.kind == "unary" and node.text == "+" and "Number" in names and not of.meant().is_number:
            edits += [(node.begin, node.begin + 1, "vpcshim_Number("), (node.end, node.end, ")")]
    return edits


def _is_read_exactly(literal: str) -> bool:
    number = _DECIMAL.fullmatch(literal)
    if number is None:
        return True  # hexadecimal
    digits = f"{number['whole']}{number['rest'] or ''}".lstrip("0") or "0"
    power = number["power"] or "0"
    if len(digits) > len(str(_MOST)) or len(power) > _LONGEST_POWER:
        return False
    return int(digits) <= _MOST and abs(int(power) - len(number["rest"] or "")) <= _POWER


def _sorted(source: Source, text: str) -> list[Edit]:
    """What sorts without a function: ours, since the engine orders numbers by their size."""
    edits: list[Edit] = []
    for node in source.nodes:
        of = node.parts[0] if node.kind == "call" else node
        if of is not node and of.kind == "member" and of.text == "sort" and len(node.parts) == 1:
            array = of.parts[0]
            name, lines = text[array.begin : array.end], "\n" * text.count("\n", array.end, node.end)
            before, behind = "vpcshim_sort(", f"){lines}"
            if _PLAIN.fullmatch(name):  # so that it is an error here where it is no array
                before, behind = f"({name} instanceof Array ? {before}", f") : {name}.sort()){lines}"
            edits += [(array.begin, array.begin, before), (array.end, node.end, behind)]
    return edits


def _assigned_calls(source: Source) -> list[Edit]:
    """What makes `d("b") = 2` the `d.Item("b") = 2` that it is: the engine assigns to members of objects alone.

    `o.d("b") = 2` stays, since nobody can tell whether it is an object's property, which the engine knows. It does
    not count such a member up or down, either.
    """
    edits: list[Edit] = []
    for node in source.nodes:
        counts = node.text in ("++", "--")
        if node.kind not in ("assign", "postfix") and not (node.kind == "unary" and counts):
            continue
        target = node.parts[0].meant()
        if target.kind != "call":
            continue
        of = target.parts[0]
        if of.kind != "member" or (of.parts[0].kind == "literal" and of.parts[0].text == "this"):
            edits.append((target.at, target.at, ".Item"))
            less, more = (" -= -1)", " - 1)") if node.text == "++" else (" -= 1)", " + 1)")
            if node.kind == "unary":
                edits += [(node.begin, node.begin + 2, "("), (node.end, node.end, less)]
            elif node.kind == "postfix":
                edits += [(node.begin, node.begin, "(("), (node.end - 2, node.end, less + more)]
    return edits


def _objects(source: Source, text: str) -> list[Edit]:
    """A host's object cannot be constructed by Wine's engine, but it can be called."""
    edits: list[Edit] = []
    for node in source.nodes:
        if node.kind not in ("new", "call"):
            continue
        of = node.parts[0]
        if node.kind == "new" and _is(of, "ActiveXObject"):
            edits.append((node.begin, of.begin, f"{HOLDER}." + "\n" * text.count("\n", node.begin, of.begin)))
        elif node.kind == "call" and _is(of, "GetObject") and "GetObject" not in source.own:
            edits.append((of.begin, of.begin, f"{HOLDER}."))
    return edits


def _untried(source: Source) -> list[Edit]:
    """What lets an error out of every `try`, so that the engine reports where it was.

    Nothing for a script that throws exceptions of its own or has a `finally`: these have to go on working, and the
    error is then reported without its line.
    """
    if source.throws:
        return []
    edits: list[Edit] = []
    for one in source.tries:
        begin, end = one.head
        edits += [
            (one.begin, one.begin + 3, "{  "),
            (begin, end, "if (0)".ljust(end - begin)),
            (one.end, one.end, "}"),
        ]
    return edits
