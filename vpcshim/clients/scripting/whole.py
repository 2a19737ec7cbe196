"""A script in JScript that the engine reads to its end, or not at all.

Where a statement without a semicolon stands before an error of syntax, Wine 8.0's engine drops the rest of the
script (or all of it) without a word, and runs what it has. So the script ends in a function, which is there from
its beginning when it was read to its end, and begins by asking for it (`Whole` of `host/engine.c`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vpcshim.clients.scripting.edits import place
from vpcshim.clients.scripting.expressions import ENGINE
from vpcshim.clients.scripting.jscript import bare_of

if TYPE_CHECKING:
    from vpcshim.clients.scripting.session import ScriptError

_BEGIN = f"{ENGINE}.Whole(typeof vpcshim_whole);"
# An error shortly after another is not told: the empty statements keep them apart where a brace is missing.
_END = "\n;;;;function vpcshim_whole(){}\n"
_LOST = "vpcshim_whole"  # the source of the error that is told then
_SOURCE = "Microsoft JScript compilation error"
_TEXT = "Syntax error: Wine's engine does not read the script to its end, and does not say where it stops"
_OPENED = {")": "(", "]": "[", "}": "{"}


def guarded(text: str) -> str:
    """The script with what stands around it."""
    return _BEGIN + text + _END


def placed(error: ScriptError, text: str) -> ScriptError:
    """An error of the guarded script as one of the script itself."""
    if error.source == _LOST:
        at, what = _suspect(text)
        line, column = (0, 0) if at is None else place(text, at)
        return replace(error, line=line, column=column, source=_SOURCE, description=f"{_TEXT}; {what}", text="")
    lines = text.count("\n") + 1
    if error.line > lines:
        return replace(error, line=lines, column=len(text) - text.rfind("\n"))
    if error.line == 1:
        return replace(error, column=max(1, error.column - len(_BEGIN)), text=error.text.removeprefix(_BEGIN))
    return error


def _suspect(text: str) -> tuple[int | None, str]:
    """Where the engine may have stopped, and why."""
    bare = bare_of(text)
    comment = bare.find("/*")
    if comment >= 0:
        return comment, "this comment has no end"
    opened: list[int] = []
    for at, char in enumerate(bare):
        if char in "([{":
            opened.append(at)
        elif char in _OPENED:
            if not opened or bare[opened[-1]] != _OPENED[char]:
                return at, f"nothing is open that this {char} closes"
            opened.pop()
    if opened:
        return opened[-1], f"this {bare[opened[-1]]} is not closed"
    return None, "all brackets match: look for an `else` behind two statements, or for lines without semicolons"
