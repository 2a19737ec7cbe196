"""A script in JScript that the engine reads to its end, or not at all.

Where a statement without a semicolon stands before what Wine 8.0's engine does not understand, it drops the rest of
the script (or all of it) without a word, and runs what it has. `jscript.py` leaves it no such statement; but should
there be something that the engine drops all the same, half a script is not to run. So the script ends in a
function, which is there from its beginning when it was read to its end, and begins by asking for it (`Whole` of
`host/engine.c`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vpcshim.clients.scripting.edits import COMPILATION
from vpcshim.clients.scripting.expressions import ENGINE

if TYPE_CHECKING:
    from vpcshim.clients.scripting.session import ScriptError

_BEGIN = f"{ENGINE}.Whole(typeof vpcshim_whole);"
# An error shortly after another is not told: the empty statements keep them apart.
_END = "\n;;;;function vpcshim_whole(){}\n"
_LOST = "vpcshim_whole"  # the source of the error that is told then
_TEXT = "Syntax error: Wine's engine does not read the script to its end, and does not say where it stops"


def guarded(text: str) -> str:
    """The script with what stands around it."""
    return _BEGIN + text + _END


def placed(error: ScriptError, text: str) -> ScriptError:
    """An error of the guarded script as one of the script itself."""
    if error.source == _LOST:
        return replace(error, line=0, column=0, source=COMPILATION, description=_TEXT, text="")
    lines = text.count("\n") + 1
    if error.line > lines:
        return replace(error, line=lines, column=len(text) - text.rfind("\n"))
    if error.line == 1:
        return replace(error, column=max(1, error.column - len(_BEGIN)), text=error.text.removeprefix(_BEGIN))
    return error
