"""Literals that a script compares with, and conditions, as VBScript takes them.

Where a text is compared with a number, VBScript asks whether one of them stands there as a literal: `x > 9`
compares numbers where x is "10", and `x = "5"` texts where x is 5. Of two values that are none, the number is
always the lesser one. Wine 8.0's engine forgets what was a literal, so there "10" is greater than 100. OLE
Automation, which compares for it, knows of literals by a flag; `vpcshim_engine.Hard` (host/engine.c) sets it. A
text that looks like no number is no number's text: it stays as it is.

A condition that is a number with decimals, a DECIMAL or a byte is an error there: `vpcshim_engine.Truth` makes it
one that the engine knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import NamedTuple

from vpcshim.clients.scripting.edits import Edit
from vpcshim.clients.scripting.expressions import ENGINE, STATEMENT

_TOKEN = re.compile(
    r"(?P<number>(?<![\w.])(?:&h[0-9a-f]+&?|&o[0-7]+&?|(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)(?![\w.]))"
    r"|(?P<text>\"[^\"\r\n]*\")|(?P<date>\#[^#\r\n]*\#)|(?P<compares><[=>]?|>[=<]?|=[<>]?)"
    r"|(?P<gap>\s+|_[ \t]*\r?\n)|(?P<name>(?:\.[ \t]*)?[^\W\d]\w*)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_NUMERIC = re.compile(r"\"\s*(?:[-+]?(?:\d[\d,]*(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?|true|false)\s*\"", re.IGNORECASE)
_DECLARES = re.compile(
    r"\s*(?:(?:public|private)\b(?!.*=)|(?:(?:public|private)\s+)?const\b|dim\b|redim\b)", re.IGNORECASE | re.DOTALL
)
_JOINS = frozenset(("and", "or", "xor", "eqv", "imp", "not"))
_OPENS = frozenset(("if", "elseif", "while", "until", "case", "then", "else", *_JOINS))
_CLOSES = frozenset(("then", "and", "or", "xor", "eqv", "imp"))
_ARITHMETIC = frozenset("-*/\\^")
# What a statement may follow without a colon, and what is no name of a value.
_HEADS = frozenset(("case", "sub", "function", "property", "public", "private"))
_WORDS = frozenset((*_OPENS, *_HEADS, "mod", "is", "get", "let", "set", "default", "byval", "byref"))
_CONDITIONS = frozenset(("if", "elseif", "while", "until"))
# What gives a number whatever it is given, and what gives a truth value.
_NUMBERS = frozenset(
    (
        *(
            "abs",
            "asc",
            "ascw",
            "cbyte",
            "cdbl",
            "cint",
            "clng",
            "csng",
            "datediff",
            "datepart",
            "day",
            "fix",
            "hour",
        ),
        *(
            "instr",
            "instrrev",
            "int",
            "lbound",
            "len",
            "minute",
            "month",
            "rnd",
            "round",
            "second",
            "sgn",
            "strcomp",
        ),
        *("ubound", "vartype", "weekday", "year", ".count", ".length", ".number"),
    )
)
_TRUTHS = re.compile(
    r"is(?:array|date|empty|null|numeric|object)|\.(?:(?:file|folder|drive)?exists|atendof\w+|test|number)"
    r"|true|false|null|instr|len|cbool",
    re.IGNORECASE,
)


class _Token(NamedTuple):
    kind: str
    text: str  # in lower case, a member's name with its dot
    begin: int
    end: int


def literals(text: str, bare: str, edits: list[Edit], numbers: set[str]) -> None:
    """Let the literals that are compared with be known as such, and conditions be what the engine takes.

    Args:
        text: The script.
        bare: The script without what its strings and comments hold.
        edits: Where the changes are added.
        numbers: The variables that hold numbers in any case, in lower case.
    """
    known = _NUMBERS | numbers
    made: list[Edit] = []
    for statement in STATEMENT.finditer(bare):
        if _DECLARES.match(statement[0]):
            continue
        tokens = [*_tokens(bare, *statement.span())]
        for first, last in (*_compared(text, tokens, known), *_cases(text, tokens)):
            begin, end = tokens[first].begin, tokens[last].end
            made.extend(((begin, begin, f"{ENGINE}.Hard("), (end, end, ")")))
        for begin, end in _conditions(tokens):
            made.extend(((begin, begin, f"{ENGINE}.Truth("), (end, end, ")")))
    edits[:0] = made  # what a condition begins with stands around what others insert there


def _tokens(bare: str, begin: int, end: int) -> Iterator[_Token]:
    for found in _TOKEN.finditer(bare, begin, end):
        kind = found.lastgroup or ""
        if kind != "gap":
            yield _Token(kind, re.sub(r"\s", "", found[0].lower()), *found.span())


def _compared(text: str, tokens: list[_Token], numbers: Set[str]) -> Iterator[tuple[int, int]]:
    """The literals on one side of a comparison, each from its first token to its last."""
    assigns = _assignments(tokens)
    marked = -1
    for i, token in enumerate(tokens):
        if token.kind != "compares" or i in assigns:
            continue
        left, right = _before(text, tokens, i - 1), _after(text, tokens, i + 1)
        if left is not None and right is None and left[0] > marked:
            marked = i
            yield left
        elif right is not None and left is None and not (right[2] and _is_number(tokens, i - 1, numbers)):
            marked = i
            yield right[:2]


def _before(text: str, tokens: list[_Token], i: int) -> tuple[int, int] | None:
    """The literal that is all that stands before a comparison, to token i."""
    if i < 1 or not _is_literal(text, tokens[i]):
        return None
    first = i - 1 if tokens[i - 1].text == "-" and tokens[i].kind == "number" else i
    if first == 0 or not _opens(tokens[first - 1]):
        return None
    return first, i


def _after(text: str, tokens: list[_Token], i: int) -> tuple[int, int, bool] | None:
    """The literal that is all that stands behind a comparison, from token i, and whether it is a number."""
    last = i + 1 if i < len(tokens) and tokens[i].text == "-" else i
    if last >= len(tokens) or not _is_literal(text, tokens[last]) or (last > i and tokens[last].kind != "number"):
        return None
    follows = tokens[last + 1] if last + 1 < len(tokens) else None
    if follows is None or follows.text in (")", ",") or follows.text in _CLOSES:
        return i, last, tokens[last].kind == "number"
    return None


def _is_literal(text: str, token: _Token) -> bool:
    return token.kind == "number" or (
        token.kind == "text" and _NUMERIC.fullmatch(text, token.begin, token.end) is not None
    )


def _opens(token: _Token) -> bool:
    """Whether a value begins behind it, of which nothing before is a part."""
    return token.text in ("(", ",", "=") or token.text in _OPENS


def _is_number(tokens: list[_Token], i: int, numbers: Set[str]) -> bool:
    """Whether the value that ends with token i is a number in any case: what is computed, or a function's."""
    depth, found = 0, False
    while i >= 0:
        token = tokens[i]
        depth += (token.text == ")") - (token.text == "(")
        if depth < 0 or (not depth and (token.kind == "compares" or _opens(token)) and token.text != "("):
            break
        if not depth and token.text == "&":
            return False  # whatever is joined
        computed = token.text in _ARITHMETIC or token.text == "mod"
        found = found or (not depth and (computed or (token.text in numbers and not _goes_on(tokens, i + 1))))
        i -= 1
    return found


def _goes_on(tokens: list[_Token], i: int) -> bool:
    """Whether a member follows what is a value until there, with or without brackets between them."""
    if i < len(tokens) and tokens[i].text == "(":
        i = _chained(tokens, i)
        return tokens[i - 1].text.startswith(".")
    return i < len(tokens) and tokens[i].text.startswith(".")


def _assignments(tokens: list[_Token]) -> set[int]:
    """Which tokens assign: `x = `, `Set x.y(1) = `, also behind Then and Else, and `For i = `."""
    found: set[int] = set()
    for i, token in enumerate(tokens):
        if i and tokens[i - 1].text not in ("then", "else") and not _follows_head(tokens, i):
            continue
        at = i + 1 if token.text in ("set", "let", "for") else i
        if at < len(tokens) and tokens[at].kind == "name" and tokens[at].text not in _OPENS:
            at = _chained(tokens, at + 1)
            if at < len(tokens) and tokens[at].text == "=":
                found.add(at)
    return found


def _follows_head(tokens: list[_Token], i: int) -> bool:
    """Whether a statement begins there that no colon divides from what is before: `Case 1 x = 2`."""
    before = tokens[i - 1]
    ends = before.kind in ("number", "text", "date") or before.text == ")"
    ends = ends or (before.kind == "name" and before.text not in _WORDS)
    return tokens[0].text in _HEADS and tokens[i].kind == "name" and tokens[i].text not in _WORDS and ends


def _chained(tokens: list[_Token], at: int) -> int:
    """Behind the members and the brackets that follow a name."""
    while at < len(tokens):
        if tokens[at].text.startswith("."):
            at += 1
        elif tokens[at].text == "(":
            depth = 0
            while at < len(tokens):
                depth += (tokens[at].text == "(") - (tokens[at].text == ")")
                at += 1
                if not depth:
                    break
        else:
            break
    return at


def _cases(text: str, tokens: list[_Token]) -> Iterator[tuple[int, int]]:
    """The literals of `Case 1, "2", -3`."""
    if not tokens or tokens[0].text != "case":
        return
    for i in range(1, len(tokens)):
        if tokens[i - 1].text in ("case", ","):
            found = _after(text, tokens, i)
            if found is not None:
                yield found[:2]


def _conditions(tokens: list[_Token]) -> Iterator[tuple[int, int]]:
    """Where the conditions are that are no comparison, from their begin to their end."""
    for i, token in enumerate(tokens):
        if token.text not in _CONDITIONS or (i and tokens[i - 1].text not in ("do", "loop", "else", "then")):
            continue
        last = i
        while last + 1 < len(tokens) and tokens[last + 1].text != "then":
            last += 1
        inner = tokens[i + 1 : last + 1]
        ends = last + 1 < len(tokens) or token.text in ("while", "until")
        if not inner or not ends or any(part.kind == "compares" or part.text in ("is", *_JOINS) for part in inner):
            continue
        if not _is_truth(inner):
            yield inner[0].begin, inner[-1].end


def _is_truth(tokens: list[_Token]) -> bool:
    """Whether they are but a value that the engine takes for a condition: `IsNull(x)`, `a.b(1).Exists(c)`."""
    depth, last = 0, ""
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if not depth and token.text != ")":
            if token.kind != "name":
                return False
            last = token.text
    return _TRUTHS.fullmatch(last) is not None
