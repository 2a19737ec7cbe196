"""Text as it goes to a terminal, a pipe or a log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def one_line(text: str) -> str:
    """The text on one line, as `escaped`."""
    return escaped(" ".join(text.split()))


def escaped(text: str) -> str:
    r"""The text with its control characters as `\x1b`: libvirt's messages and machines' names are others' text."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def name_shown(name: str) -> str:
    """A name as a message has it; an empty one can be seen."""
    return name or '""'


def aligned(header: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> str:
    """A table without lines and colours; the first `left` columns are text, the others numbers."""
    table = [list(header), *([one_line(text) for text in row] for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = (
        "  ".join(
            text.ljust(width) if i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    )
    return "\n".join(lines) + "\n"
