"""Dates that a script in JScript compares.

Wine 8.0's engine takes a Date for its text where `<` and `>` want its number, so `file.DateLastModified < limit` is
false whatever they are, and a script that deletes what is old decides wrongly without a word. Where one side looks
like a date by its name, each side goes through a function that makes a number of a date, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from vpcshim.clients.scripting.edits import Edit
from vpcshim.clients.scripting.jsgrammar import Node, Scope, Source

_ORDERS = frozenset(("<", ">", "<=", ">="))
_EQUALS = frozenset(("==", "!=", "===", "!=="))
_MEMBERS = frozenset(("datecreated", "datelastmodified", "datelastaccessed"))

# The engine has no `typeof` of a date that is not its own.
MOMENT_OF = (
    "function vpcshim_Moment(v) { try { if (typeof v != 'object') return v; } catch (e) { return +v; } "
    "return v instanceof Date ? +v : v; }\r\n"
)
# A variable: its name, and where it is declared; None for one that is not.
_Variable = tuple[str, Scope | None]


def compared_dates(source: Source) -> list[Edit]:
    """What makes numbers of the dates that are compared; the text needs `MOMENT_OF` then."""
    held = [*_held(source)]
    dates = {variable for variable, _ in held}
    # Two Dates are equal only where they are one; those of objects never are, not even to themselves.
    members = {variable for variable, value in held if _is_member(value)} - {
        variable for variable, value in held if not _is_member(value)
    }
    edits: list[Edit] = []
    for node in source.nodes:
        if node.kind != "binary" or node.text not in _ORDERS | _EQUALS:
            continue
        known = dates if node.text in _ORDERS else members
        if any(_is_date(side.meant(), known, of_orders=node.text in _ORDERS) for side in node.parts):
            for side in node.parts:
                if side.kind != "literal":
                    edits += [(side.begin, side.begin, "vpcshim_Moment("), (side.end, side.end, ")")]
    return edits


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
