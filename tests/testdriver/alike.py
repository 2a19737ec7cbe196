"""Our scripts in three languages: running one in each, and what must be alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vpcshim.clients.wine import installation, program
from vpcshim.clients.wine.installation import NoWine

SCRIPTS = Path(__file__).parents[2] / "fixtures" / "scripts"
WINES = ("vbs", "js")
LANGUAGES = (*WINES, "py")
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(  .*\n)+", re.MULTILINE)
_PLACE = re.compile(r"^.*/(\w+)\.(vbs|js|py)\((\d+), (\d+)\): ", re.MULTILINE)


def no_wine() -> str | None:
    """Why scripts cannot run in Wine's engines here; None when they can."""
    try:
        installation.find()
        program.path()
    except NoWine as error:
        return str(error)
    return None


@dataclass(frozen=True)
class Ran:
    """How a script ended.

    Attributes:
        code: Its exit code.
        out: What it printed, line by line.
        err: What was printed to standard error; the place of an error is what stands there: `at NAME: `, the
            member that the script's line names first, in lower case. Python's own traceback is left out.
    """

    code: int
    out: tuple[str, ...]
    err: str


def ran(script: str, code: int, out: str, err: str) -> Ran:
    """The outcome, with what names the language taken out of it.

    Raises:
        AssertionError: An error's place is no place of the script.
    """
    name, _, language = script.rpartition(".")
    err = _TRACEBACK.sub("", err)
    return Ran(code, tuple(out.replace(f"{name}.{language}", f"{name}.*").splitlines()), _PLACE.sub(_named, err))


def _named(found: re.Match[str]) -> str:
    name, language, line, column = found[1], found[2], int(found[3]), int(found[4])
    text = (SCRIPTS / f"{name}.{language}").read_text().splitlines()[line - 1]
    assert 1 <= column <= len(text)
    member = re.search(r"\.(\w+)", text)
    assert member is not None
    return f"at {member[1].lower()}: "
