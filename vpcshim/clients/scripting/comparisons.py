"""Dates and texts that a script in JScript compares.

Wine 8.0's engine takes a Date for its text where `<` and `>` want its number, so `file.DateLastModified < limit` is
false whatever they are, and a script that deletes what is old decides wrongly without a word. Where one side looks
like a date by its name, each side goes through a function that makes a number of a date, and of nothing else.

A text that was joined of two is less than the first of them. Where `<` and `>` may order texts, each side goes
through a function that makes the engine put the parts together; what orders numbers is left alone (`texts.c` of the
host is about what is equal).
"""

from __future__ import annotations

from collections.abc import Iterator

from vpcshim.clients.scripting.edits import Edit
from vpcshim.clients.scripting.jsgrammar import Node, Scope, Source

_ORDERS = frozenset(("<", ">", "<=", ">="))
_EQUALS = frozenset(("==", "!=", "===", "!=="))
_MEMBERS = frozenset(("datecreated", "datelastmodified", "datelastaccessed"))

# What the sides go through. The engine has no `typeof` of a date that is not its own.
_FUNCTIONS = {
    "vpcshim_Moment": (
        "function vpcshim_Moment(v) { try { if (typeof v != 'object') return v; } catch (e) { return +v; } "
        "return v instanceof Date ? +v : v; }\r\n"
    ),
    "vpcshim_Flat": (
        "function vpcshim_Flat(v) { try { if (typeof v == 'string') v.indexOf(''); } catch (e) { } return v; }\r\n"
    ),
}
# What is a number or true or false, whatever it is made of.
_NUMERIC = frozenset(("-", "*", "/", "%", "&", "|", "^", "<<", ">>", ">>>", "in", "instanceof")) | _ORDERS | _EQUALS
_SIGNS = frozenset(("+", "-", "~", "!", "++", "--", "delete", "void"))
_MEASURES = frozenset(("indexOf", "lastIndexOf", "charCodeAt", "localeCompare", "getTime"))
_READERS = frozenset(("Number", "parseInt", "parseFloat", "isNaN", "isFinite"))
# A variable: its name, and where it is declared; None for one that is not.
_Variable = tuple[str, Scope | None]


def compared(source: Source) -> tuple[str, list[Edit]]:
    """What makes comparisons right: the text that is to run before the script, and the edits."""
    held, numbers = [*_held(source)], _number_variables(source)
    dates = {variable for variable, _ in held}
    # Two Dates are equal only where they are one; those of objects never are, not even to themselves.
    members = dates - {variable for variable, value in held if not _is_member(value)}
    used: set[str] = set()
    edits: list[Edit] = []
    for node in source.nodes:
        if node.kind != "binary" or node.text not in _ORDERS | _EQUALS:
            continue
        orders = node.text in _ORDERS
        if any(_is_date(side.meant(), dates if orders else members, of_orders=orders) for side in node.parts):
            function = "vpcshim_Moment"
        elif orders and not any(_is_numeric(side, numbers) for side in node.parts):
            function = "vpcshim_Flat"
        else:
            continue
        used.add(function)
        for side in node.parts:
            if side.meant().kind != "literal":
                edits += [(side.begin, side.begin, f"{function}("), (side.end, side.end, ")")]
    return "".join(_FUNCTIONS[name] for name in sorted(used)), edits


def _number_variables(source: Source) -> set[_Variable]:
    """The variables that are assigned numbers, and nothing else, as far as can be seen."""
    if source.dynamic:
        return set()
    values: dict[_Variable, list[Node]] = {}
    for node in source.nodes:
        if node.kind == "assign" and node.parts[0].meant().kind == "name":
            values.setdefault(_variable(node.parts[0].meant()), []).append(node)
    known = {variable for variable in values if variable[0] not in source.given}
    before = -1
    while before != len(known):
        before = len(known)
        for one in values:
            if one in known and not all(_is_numeric(value, known) for value in values[one]):
                known.discard(one)
    return known


def _is_numeric(node: Node, known: set[_Variable]) -> bool:
    """Whether it is a number (or true, false, null, undefined), as far as that can be told."""
    node = node.meant()
    match node.kind:
        case "literal":
            return node.is_number or node.text in ("true", "false", "null")
        case "name":
            return _variable(node) in known
        case "postfix":
            return True
        case "unary":
            return node.text in _SIGNS
        case "binary":
            while node.kind == "binary" and node.text not in _NUMERIC:  # a sum may have thousands of parts
                if not _is_numeric(node.parts[1], known):
                    return False
                node = node.parts[0].meant()
            return node.kind == "binary" or _is_numeric(node, known)
        case "assign":
            parts = {"=": node.parts[1:], "+=": node.parts}.get(node.text, ())
            return all(_is_numeric(part, known) for part in parts)
        case "conditional":
            return all(_is_numeric(part, known) for part in node.parts[1:])
        case "list":
            return _is_numeric(node.parts[-1], known)
        case "member":
            return node.text == "length"
        case "call":
            of = node.parts[0]
            if of.kind == "member":
                return node.parts[0].text in _MEASURES or (
                    of.parts[0].kind == "name" and of.parts[0].text == "Math"
                )
            return of.kind == "name" and of.text in _READERS
    return False


def _held(source: Source) -> Iterator[tuple[_Variable, Node]]:
    """The variables that are assigned a date, and that date."""
    for node in source.nodes:
        if node.kind == "assign" and node.text == "=":
            value = node.parts[1].meant()
            while value.kind == "assign" and value.text == "=":
                value = value.parts[1].meant()
            target = node.parts[0].meant()
            if target.kind == "name" and (_is_member(value) or _is_new(value)):
                yield _variable(target), value


def _variable(name: Node) -> _Variable:
    return name.text, name.scope.owner(name.text)


def _is_member(node: Node) -> bool:
    """Whether it is the date of a file's or a folder's."""
    return node.kind == "member" and node.text.lower() in _MEMBERS


def _is_new(node: Node) -> bool:
    return node.kind == "new" and node.parts[0].kind == "name" and node.parts[0].text == "Date"


def _is_date(node: Node, known: set[_Variable], *, of_orders: bool) -> bool:
    if node.kind == "name":
        return _variable(node) in known
    return _is_member(node) or (of_orders and _is_new(node))
