"""Calls through a variable of a script's that holds an object, `x(1)`, whose errors Wine's VBScript forgets.

The host lets such a call hand out its error as a value that fails wherever it is used (`host/failure.c`). What only
keeps or compares the object, `Set y = x(1)` and `x(1) Is y`, has it checked before; and what has none, `x 1`,
becomes a call of the host's. That one hands over values: where a class of the script's takes references by its
default member, as of `x n` that counts n up, such calls stay the engine's.
"""

from __future__ import annotations

import re

from vpcshim.clients.scripting.edits import Edit, closing
from vpcshim.clients.scripting.expressions import ENGINE, HOLDER, begun

_CHECKED = f"{ENGINE}.Checked("
_ASSIGNED = re.compile(r"(?:(?P<set>set)[ \t]+)?(?P<name>[a-z]\w*)[ \t]*=", re.IGNORECASE)
_EACH = re.compile(r"for[ \t]+each[ \t]+([a-z]\w*)", re.IGNORECASE)
_SET = re.compile(r"set\b", re.IGNORECASE)
# Property is no reserved word: WMI scripts have variables of that name.
_CALL = re.compile(r"(call[ \t]+)?(?!property[ \t]+(?:get|let|set)\b)([a-z]\w*)", re.IGNORECASE)
_DEFAULT = re.compile(
    r"\bdefault[ \t]+(?:function|sub|property[ \t]+get)[ \t]+\w+[ \t]*\(([^()]*)\)", re.IGNORECASE
)
_BY_VALUE = re.compile(r"[\s_]*byval\b", re.IGNORECASE)
_INDEXED = re.compile(r"(?<![\w.)])(?:(?P<is>is)[ \t]+)?(?<![\w.])(?P<name>[a-z]\w*)[ \t]*\(", re.IGNORECASE)
_MORE = re.compile(r"[ \t]*[.(]")  # a member, or an index, of what ends there
_IS = re.compile(r"[ \t]+is\b", re.IGNORECASE)
_NAME = re.compile(r"[\s_]*(?<!\w)([a-z]\w*)[ \t]*\(", re.IGNORECASE)
_GAP = re.compile(r"(?:[ \t]|(?<!\w)_[ \t]*\r?\n)*")
_END = re.compile(r"[\s_]*(?:\Z|(?:else|end)\b)", re.IGNORECASE)


def assigned(bare: str, *, objects: bool = False) -> set[str]:
    """The variables that a script assigns to or counts with, in lower case, whether it declares them or not.

    Args:
        bare: The text without its strings and comments.
        objects: Those alone that are assigned an object.
    """
    found = set()
    for at, _ in begun(bare):
        if (match := _ASSIGNED.match(bare, at)) and (match["set"] or not objects):
            found.add(match["name"].lower())
        elif match := _EACH.match(bare, at):
            found.add(match[1].lower())
    return found


def variable_calls(bare: str, edits: list[Edit], variables: set[str], *, more: bool) -> None:
    """Keep the errors of calls through these variables.

    Args:
        bare: The text without its strings and comments.
        edits: Where the changes are added.
        variables: The names that are variables, in lower case, and none of a procedure.
        more: Whether the script may have procedures that are not in the text: `Log "x"` calls one of these, though
            some procedure has a parameter of that name.
    """
    by_reference = _takes_references(bare)
    called_through = variables & assigned(bare, objects=True) if more else variables
    for at, end in begun(bare):
        if _SET.match(bare, at, end):
            _kept(bare, at, end, edits, variables)
        elif (called := _CALL.match(bare, at, end)) and called[2].lower() in called_through and not by_reference:
            _called(bare, called, end, edits)
    for found in _INDEXED.finditer(bare):
        close = closing(bare, found.end()) if found["name"].lower() in variables else None
        if close is not None and (_IS.match(bare, close) or (found["is"] and not _MORE.match(bare, close))):
            begin = found.start("name")
            edits.extend(((begin, begin, _CHECKED), (close, close, ")")))


def _takes_references(bare: str) -> bool:
    """Whether a class of the script's has a default member that may assign to its arguments."""
    lists = (found[1].strip() for found in _DEFAULT.finditer(bare))
    return any(not all(map(_BY_VALUE.match, params.split(","))) for params in lists if params)


def _kept(bare: str, at: int, end: int, edits: list[Edit], variables: set[str]) -> None:
    """`Set y = x(1)`: what is kept is checked."""
    depth = 0
    for i in range(at, end):
        depth += (bare[i] == "(") - (bare[i] == ")")
        if bare[i] != "=" or depth:
            continue
        called = _NAME.match(bare, i + 1, end)
        close = None if called is None else closing(bare, called.end())
        if (
            called is not None
            and close is not None
            and called[1].lower() in variables
            and _END.match(bare, close, end)
        ):
            edits.extend(((called.start(1), called.start(1), _CHECKED), (close, close, ")")))
        return


def _called(bare: str, called: re.Match[str], end: int, edits: list[Edit]) -> None:
    """`x 1`, `x(1)`, `Call x(1)`, `x`: the default member of what the variable holds."""
    begin, after = called.span(2)
    gap = _GAP.match(bare, after, end)
    assert gap is not None  # it matches nothing as well
    rest = gap.end()
    opened, closed = ("(", ")") if called[1] else (" ", "")
    name = f"{HOLDER}.vpcshim_At{opened}"
    if _END.match(bare, after, end):
        edits.extend(((begin, begin, name), (after, after, closed)))
    elif bare[rest] == "(" and (close := closing(bare, rest + 1)) is not None and _END.match(bare, close, end):
        comma = ", " if bare[rest + 1 : close - 1].strip() else ""
        edits.extend(((begin, begin, name), (rest, rest + 1, comma), (close - 1, close, closed)))
    elif not called[1] and (bare[rest] not in "=.(" or (bare[rest] == "(" and _is_argument(bare, rest, end))):
        edits.extend(((begin, begin, name), (after, after, ",")))


def _is_argument(bare: str, at: int, end: int) -> bool:
    """Whether the bracket begins an argument, `x (1), 2`, and no index, as of `x(1) = 2` and `x(1).y 2`."""
    close = closing(bare, at + 1)
    if close is None:
        return False
    gap = _GAP.match(bare, close, end)
    return gap is not None and gap.end() < end and bare[gap.end()] not in "=.("
