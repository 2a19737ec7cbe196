"""Changes to a script's text that keep its lines, and the way back from a place in the result."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# From where to where in the text, and what stands there instead.
Edit = tuple[int, int, str]


class Refused(Exception):
    """The engine would break on it, or get it wrong; the message names what and where."""

    def __init__(self, line: int, column: int, text: str) -> None:
        super().__init__(f"({line}, {column}): {text}")


# The source of an error of syntax, as Microsoft's engine names itself.
COMPILATION = "Microsoft JScript compilation error"


class Misread(Exception):
    """An error of syntax; the message is as the engine's own are told."""

    def __init__(self, line: int, column: int, number: int, text: str) -> None:
        super().__init__(f"({line}, {column}): {text} ({COMPILATION}, error {number})")


@dataclass(frozen=True)
class Prepared:
    """What the engine is given.

    Attributes:
        prelude: A text that runs first.
        text: The script's text.
        original: The script's text as it was.
        edits: What was changed: from where to where in the original, and what stands there now; in order.
        own: The names that the text declares, in lower case.
    """

    prelude: str
    text: str
    original: str
    edits: tuple[Edit, ...]
    own: frozenset[str] = field(default=frozenset(), compare=False)

    def place(self, line: int, column: int) -> tuple[int, int]:
        """Where in the original a place of the text stands; lines and columns count from 1."""
        begin = 0
        for _ in range(line - 1):
            begin = self.text.find("\n", begin) + 1
        at, moved = begin + column - 1, 0
        for start, end, new in self.edits:
            now = start + moved
            if at < now:
                break
            if at < now + len(new):
                return place(self.original, start)
            moved += len(new) - (end - start)
        return place(self.original, min(at - moved, len(self.original)))


def edited(prelude: str, text: str, edits: list[Edit]) -> Prepared:
    """The text with the edits made; those at one place stay in their order."""
    ordered = tuple(sorted(edits, key=lambda edit: edit[:2]))
    parts, at = [], 0
    for begin, end, new in ordered:
        parts += [text[at:begin], new]
        at = end
    return Prepared(prelude, "".join((*parts, text[at:])), text, ordered)


def blanked(pattern: re.Pattern[str], text: str, kept: str = "") -> str:
    """The text with what the pattern finds blanked, every character in its place.

    What begins with one of the characters `kept` keeps its first and its last.
    """

    def blank(match: re.Match[str]) -> str:
        found = match[0]
        if found[0] not in kept or len(found) < 2:
            return re.sub(r"[^\r\n]", " ", found)
        return found[0] + " " * (len(found) - 2) + found[-1]

    return pattern.sub(blank, text)


def place(text: str, position: int) -> tuple[int, int]:
    """The line and the column, from 1."""
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


def closing(bare: str, at: int) -> int | None:
    """Where the bracket that was opened before `at` is closed, one further; None where its line ends before."""
    depth = 1
    for i in range(at, len(bare)):
        if bare[i] in "()":
            depth += 1 if bare[i] == "(" else -1
            if not depth:
                return i + 1
        elif bare[i] == "\n" and not bare[at:i].rstrip(" \t\r").endswith("_"):
            return None
    return None
