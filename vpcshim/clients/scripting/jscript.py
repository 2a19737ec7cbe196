"""The text of a script in JScript as Wine's engine takes it (`language.py` is about what is common to both).

Dates that are compared are in `comparisons.py`, and what of JScript's own library is replaced in `jslibrary.py`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from vpcshim.clients.scripting.comparisons import MOMENT_OF, blanked_patterns, compared_dates
from vpcshim.clients.scripting.edits import Edit, Prepared, Refused, blanked, edited, place
from vpcshim.clients.scripting.expressions import HOLDER
from vpcshim.clients.scripting.jslibrary import library

_JS_DEAD = re.compile(
    r"""(?P<string>"(?:[^"\\\r\n]|\\(?:\r\n|.))*"|'(?:[^'\\\r\n]|\\(?:\r\n|.))*')|(?://[^\r\n]*|/\*.*?\*/)""",
    re.DOTALL,
)
_JS_ESCAPE = re.compile(r"\\(?:(?P<end>\r\n|[\r\n\u2028\u2029])|.)", re.DOTALL)
_JS_FUNCTION = re.compile(r"(?<![\w$.])(?:new\s+(?=ActiveXObject\b)|(?=GetObject\s*\())")


_JS_TRY = re.compile(r"(?<![\w$.])try(?=\s*\{)")
_JS_CATCH = re.compile(r"(?<![\w$.])catch\s*\(\s*[\w$]+\s*\)(?=\s*\{)")
_JS_MEANT = re.compile(r"(?<![\w$.])(?:throw|finally)\b")
_JS_BRACKETS = {")": "(", "]": "[", "}": "{"}
# What is called, up to its bracket: a name, `of` whatever but `this`, or what an index or a call gives.
_JS_CALLED = re.compile(
    r"(?:(?<![\w$.])this\s*\.\s*|(?P<of>\.\s*))?(?<![\w$])(?P<name>[a-zA-Z_$][\w$]*)\s*\Z|[\])]\s*\Z"
)
_JS_ASSIGNED = re.compile(r"\s*(?:=(?!=)|(?:[-+*/%&|^]|<<|>>>?)=)|[ \t]*(?:\+\+|--)")
# What stands before brackets that are no arguments.
_JS_WORDS = frozenset(
    (
        *("case", "catch", "delete", "do", "else", "for", "function", "if", "in", "instanceof", "new"),
        *("return", "switch", "throw", "typeof", "void", "while", "with"),
    )
)
# What a text is made a number by. `new Number(x)` makes an object.
_JS_NUMBER = re.compile(r"(?<![\w$.])(?P<new>new\s+)?(?P<name>Number|isNaN|isFinite)(?=\s*\()")
_JS_OWN = re.compile(r"(?<![\w$.])(?:function|var)\s+(?:Number|isNaN|isFinite)(?![\w$])")
# Members of RegExp that Microsoft's engine has: these are undefined, without a word.
_JS_PATTERNS = re.compile(r"(?<![\w$.])RegExp\s*\.\s*(lastMatch|lastParen|lastIndex|index|input|\$[_&+*])(?![\w$])")


def jscript(text: str, *, strict: bool) -> Prepared:
    """The script's text for the engine; with `strict`, `try` has no effect where that can be told.

    Raises:
        Refused: It names what the engine has not, and hands out as undefined.
    """
    # A host's object cannot be constructed by Wine's engine, but it can be called.
    bare = blanked(_JS_DEAD, text)
    if missing := _JS_PATTERNS.search(bare):
        raise Refused(*place(bare, missing.start()), f"Wine's engine has no RegExp.{missing[1]}")
    # In this order where they begin at one place: the first is around the others.
    dates = compared_dates(bare)
    edits = [*dates, *_numbers(bare), *_assigned_calls(bare), *_joined_lines(text)]
    edits += [(match.start(), match.end(), f"{HOLDER}.") for match in _JS_FUNCTION.finditer(bare)]
    prepared = edited(MOMENT_OF if dates else "", text, [*edits, *_untried(bare)] if strict else edits)
    return replace(prepared, prelude=prepared.prelude + library(prepared.text))


def bare_of(text: str) -> str:
    """The text with strings, comments and, as far as they can be told, regular expressions blanked."""
    return blanked_patterns(blanked(_JS_DEAD, text))


def _joined_lines(text: str) -> list[Edit]:
    """Strings that go on in the next line: the engine keeps the line's end, which is no part of them."""
    return [
        (found.start(), found.end(), "")
        for string in _JS_DEAD.finditer(text)
        if string["string"] is not None
        for found in _JS_ESCAPE.finditer(text, *string.span())
        if found["end"] is not None
    ]


def _numbers(bare: str) -> list[Edit]:
    """What makes a number of a text, where that can be told from what an operator joins: our functions for it."""
    if _JS_OWN.search(bare):
        return []
    named = _JS_NUMBER.finditer(blanked_patterns(bare))
    return [(found.start(), found.start(), "vpcshim_") for found in named if found["new"] is None]


def _assigned_calls(bare: str) -> list[Edit]:
    """What makes `d("b") = 2` the `d.Item("b") = 2` that it is: the engine assigns to members of objects alone.

    `o.d("b") = 2` stays, since nobody can tell whether it is an object's property, which the engine knows.
    """
    edits: list[Edit] = []
    opened: list[int] = []
    heads: set[int] = set()  # where the brackets of an `if`, a `for` and the like are closed
    for at, char in enumerate(bare):
        if char in "([{":
            opened.append(at)
        elif char in ")]}":
            if not opened or bare[opened[-1]] != _JS_BRACKETS[char]:
                return edits  # a bracket of a regular expression's: what follows is not known
            begin = opened.pop()
            if char != ")":
                continue
            called = _JS_CALLED.search(bare, max(0, begin - 80), begin)
            if called is None:
                continue
            if called["name"] in _JS_WORDS:
                heads.add(at)
            elif not called["of"] and called.start() not in heads and _JS_ASSIGNED.match(bare, at + 1):
                edits.append((begin, begin, ".Item"))
    return edits


def _untried(bare: str) -> list[Edit]:
    """What lets an error out of every `try`, so that the engine reports where it was.

    Nothing for a script that throws exceptions of its own or has a `finally`: these have to go on working, and the
    error is then reported without its line. Nor where a `try` may be the body of an `if` or a loop.
    """
    tries, catches = list(_JS_TRY.finditer(bare)), list(_JS_CATCH.finditer(bare))
    apart = all(bare[: found.start()].rstrip()[-1:] in ("", "{", "}", ";") for found in tries)
    if _JS_MEANT.search(bare) or not apart or len(tries) != len(catches):
        return []
    edits = [(found.start(), found.end(), "   ") for found in tries]
    return edits + [(found.start(), found.end(), "if (0)".ljust(len(found[0]))) for found in catches]
