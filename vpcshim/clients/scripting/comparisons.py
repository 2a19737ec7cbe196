"""Dates that a script in JScript compares.

Wine 8.0's engine takes a Date for its text where `<` and `>` want its number, so `file.DateLastModified < limit` is
false whatever they are, and a script that deletes what is old decides wrongly without a word. Where one side looks
like a date by its name, each side goes through a function that makes a number of a date, and of nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from vpcshim.clients.scripting.edits import Edit, blanked

_COMPARES = re.compile(r"(?<![<>=])[<>](?![<>])=?")
_EQUALS = re.compile(r"(?<![<>=!])[=!]==?(?!=)")
_MEMBERS = r"\.\s*(?:DateCreated|DateLastModified|DateLastAccessed)"
_NEW = r"new\s+Date\b(?:\s*\([^()]*(?:\([^()]*\)[^()]*)*\))?"
# What is a date, to its end: such a member of a file's or a folder's, or a new Date.
_IS_DATE = re.compile(rf"(?:{_MEMBERS}|{_NEW})\s*\Z", re.IGNORECASE)
_IS_MEMBER = re.compile(rf"{_MEMBERS}\s*\Z", re.IGNORECASE)
_KEPT = re.compile(
    rf"(?<![\w$.])([a-zA-Z_$][\w$]*)\s*=(?!=)\s*(?:{_NEW}|(?P<member>[\w$.()\[\]]*{_MEMBERS}\b))"
    r"(?!\s*[-+*/%.\[(])",
    re.IGNORECASE,
)
_AHEAD = re.compile(r"\s*")
_BEGIN = re.compile(r"(?:new\s+)?[a-zA-Z_$][\w$]*")
_MEMBER = re.compile(r"\s*\.\s*[a-zA-Z_$][\w$]*")
_WORD_BEFORE = re.compile(r"[\w$]+\Z")
# A regular expression, and what is not of the side that it stands before.
_PATTERN = re.compile(r"(?<=[(=,:;!&|?{}\[])[ \t]*/(?![/*])(?:\\.|\[[^\]\n]*\]|[^/\\\n])+/")
_OPERATOR = re.compile(r"(?<![\w$.])(?:typeof|void|delete)\Z")
_NEW_BEFORE = re.compile(r"(?<![\w$.])new\s+\Z")
# What stands before a side in brackets, and is none of its names.
_STATEMENT = re.compile(r"(?:case|delete|do|else|in|instanceof|return|throw|typeof|void)(?![\w$])")
_CLOSED_BY = {")": "(", "]": "["}
_OPENED_BY = {"(": ")", "[": "]"}


class _Side(NamedTuple):
    """One side of a comparison: a name with its members, indices and calls; from where to where it stands."""

    begin: int
    end: int


# The engine has no `typeof` of a date that is not its own.
MOMENT_OF = (
    "function vpcshim_Moment(v) { try { if (typeof v != 'object') return v; } catch (e) { return +v; } "
    "return v instanceof Date ? +v : v; }\r\n"
)


def compared_dates(bare: str) -> list[Edit]:
    """What makes numbers of the dates that are compared; `bare` is the text without strings and comments.

    The text needs `MOMENT_OF` then.
    """
    bare = blanked_patterns(bare)
    kept = [*_KEPT.finditer(bare)]
    dates = {found[1] for found in kept}
    # Two Dates are equal only where they are one; those of objects never are, not even to themselves.
    members = {found[1] for found in kept if found["member"]}
    edits: dict[_Side, tuple[Edit, Edit]] = {}
    for operator, of, names in ((_COMPARES, _IS_DATE, dates), (_EQUALS, _IS_MEMBER, members)):
        for found in operator.finditer(bare):
            sides = [_side_before(bare, found.start()), _side_behind(bare, found.end())]
            simple = [side for side in sides if side is not None]
            if any(_is_date(bare[side.begin : side.end], of, names) for side in simple):
                for side in simple:
                    edits[side] = (side.begin, side.begin, "vpcshim_Moment("), (side.end, side.end, ")")
    return [edit for pair in edits.values() for edit in pair]


def blanked_patterns(bare: str) -> str:
    """The text with its regular expressions blanked, as far as they can be told from divisions."""
    return blanked(_PATTERN, bare)


def _is_date(text: str, of: re.Pattern[str], names: set[str]) -> bool:
    return text in names or of.search(text) is not None


def _side_before(bare: str, end: int) -> _Side | None:
    """The side before the operator; None where it is no simple one, or what stands before would make it another."""
    end = len(bare[:end].rstrip())
    begin = end
    for start in _backwards(bare, end):
        begin = start
    before = bare[:begin].rstrip()
    if begin == end or bare[begin].isdigit() or before.endswith(("+", "--", ".")) or _OPERATOR.search(before):
        return None
    return None if _STATEMENT.match(bare, begin) else _Side(begin, end)


def _backwards(bare: str, at: int) -> Iterator[int]:
    """Where `a.b(1)[2].c` may begin that ends there: at each of its names, from the last to the first."""
    while True:
        while at and bare[at - 1] in _CLOSED_BY:
            opened = _opening(bare, at - 1)
            if opened is None:
                return
            at = len(bare[:opened].rstrip())
        word = _WORD_BEFORE.search(bare, max(0, at - 256), at)
        if word is None:
            return
        at = word.start()
        new = _NEW_BEFORE.search(bare, max(0, at - 32), at)
        yield at if new is None else new.start()
        before = bare[:at].rstrip()
        if new is not None or not before.endswith("."):
            return
        at = len(before[:-1].rstrip())


def _side_behind(bare: str, begin: int) -> _Side | None:
    """The side behind the operator; None as before."""
    ahead = _AHEAD.match(bare, begin)
    assert ahead is not None
    first = _BEGIN.match(bare, ahead.end())
    if first is None:
        return None
    at = first.end()
    while True:
        if member := _MEMBER.match(bare, at):
            at = member.end()
        elif bare[at : at + 1] in _OPENED_BY and (closed := _closing(bare, at)) is not None:
            at = closed + 1
        else:
            break
    return None if bare[at:].lstrip().startswith(("(", "+", "--")) else _Side(first.start(), at)


def _opening(bare: str, at: int) -> int | None:
    """Where the bracket that is closed there was opened."""
    depth = 0
    for i in range(at, -1, -1):
        depth += (bare[i] in _CLOSED_BY) - (bare[i] in _OPENED_BY)
        if not depth:
            return i if bare[i] == _CLOSED_BY[bare[at]] else None
    return None


def _closing(bare: str, at: int) -> int | None:
    """Where the bracket that is opened there is closed."""
    depth = 0
    for i in range(at, len(bare)):
        depth += (bare[i] in _OPENED_BY) - (bare[i] in _CLOSED_BY)
        if not depth:
            return i if bare[i] == _OPENED_BY[bare[at]] else None
    return None
