"""The text of a script in JScript as Wine's engine takes it (`language.py` is about what is common to both).

Dates that are compared are in `comparisons.py`, and what of JScript's own library is replaced in `jslibrary.py`.
Every statement gets its semicolon: the engine loses what stands behind a line without one (`whole.py`).
"""

from __future__ import annotations

from dataclasses import replace

from vpcshim.clients.scripting.comparisons import MOMENT_OF, compared_dates
from vpcshim.clients.scripting.edits import Edit, Prepared, Refused, edited, place
from vpcshim.clients.scripting.expressions import HOLDER
from vpcshim.clients.scripting.jsgrammar import Node, Source
from vpcshim.clients.scripting.jslibrary import library

# What a text is made a number by.
_NUMBERS = frozenset(("Number", "isNaN", "isFinite"))
# Members of RegExp that Microsoft's engine has: these are undefined, without a word.
_PATTERNS = frozenset(("lastMatch", "lastParen", "lastIndex", "index", "input", "$_", "$&", "$+", "$*"))


def jscript(text: str, *, strict: bool) -> Prepared:
    """The script's text for the engine; with `strict`, `try` has no effect where that can be told.

    Raises:
        Misread: There is an error of syntax.
        Refused: It names what the engine has not, and hands out as undefined.
    """
    source = Source(text)
    _known(source, text)
    # In this order where they begin at one place: the first is around the others.
    dates = compared_dates(source)
    edits = [*dates, *_numbers(source), *_assigned_calls(source), *_objects(source, text), *source.edits]
    if strict:
        edits += _untried(source)
    edits += [(at, at, ";") for at in source.semicolons]
    prepared = edited(MOMENT_OF if dates else "", text, edits)
    return replace(prepared, prelude=prepared.prelude + library(prepared.text))


def _known(source: Source, text: str) -> None:
    """Refuse the members of RegExp that are not there."""
    for node in source.nodes:
        if node.kind in ("member", "index") and _is(node.parts[0], "RegExp") and "RegExp" not in source.own:
            name = node.text if node.kind == "member" else node.parts[1].text[1:-1]
            if name in _PATTERNS:
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
        elif node.kind == "unary" and node.text == "+" and "Number" in names and not _is_number(of.meant()):
            edits += [(node.begin, node.begin + 1, "vpcshim_Number("), (node.end, node.end, ")")]
    return edits


def _is_number(node: Node) -> bool:
    return node.kind == "literal" and (node.text[0].isdigit() or node.text[0] == ".")


def _assigned_calls(source: Source) -> list[Edit]:
    """What makes `d("b") = 2` the `d.Item("b") = 2` that it is: the engine assigns to members of objects alone.

    `o.d("b") = 2` stays, since nobody can tell whether it is an object's property, which the engine knows.
    """
    edits: list[Edit] = []
    for node in source.nodes:
        if node.kind in ("assign", "postfix") or (node.kind == "unary" and node.text in ("++", "--")):
            target = node.parts[0].meant()
            if target.kind != "call":
                continue
            of = target.parts[0]
            if of.kind != "member" or (of.parts[0].kind == "literal" and of.parts[0].text == "this"):
                edits.append((target.at, target.at, ".Item"))
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
