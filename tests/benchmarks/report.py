"""What a benchmark found, as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.timing import Timing


@dataclass(frozen=True)
class Table:
    """Rows of text below a header."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def __str__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]

        def text(cells: Sequence[str]) -> str:
            first, *rest = (
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
            )
            return "  ".join([first, *rest])

        rule = "  ".join("-" * width for width in widths)
        return "\n".join([self.title, "", text(self.header), rule, *(text(row) for row in self.rows)])


@dataclass(frozen=True)
class Goal:
    """What was to be reached and what was; a goal that is missed is told, it fails nothing."""

    what: str
    measured: float
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the number is within what was to be reached."""
        above = self.least is None or self.measured >= self.least
        return above and (self.most is None or self.measured <= self.most)

    def __str__(self) -> str:
        wanted = f"at least {self.least:g}" if self.most is None else f"at most {self.most:g}"
        return f"{'met   ' if self.met else 'MISSED'}  {self.what}: {self.measured:.2f} ({wanted})"


@dataclass
class Report:
    """One benchmark's outcome.

    Attributes:
        name: The benchmark's name on the command line.
        tables: For people.
        goals: Told, and without effect on the exit code.
        notes: What a reader has to know to judge the numbers.
        unequal: Numbers that differ where they may not: these make the command fail.
        data: Every number, for programs.
    """

    name: str
    tables: list[Table] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"== {self.name}", *(str(table) for table in self.tables)]
        if self.goals:
            parts.append("\n".join(str(goal) for goal in self.goals))
        if self.notes:
            parts.append("\n".join(f"note: {note}" for note in self.notes))
        if self.unequal:
            parts.append("\n".join(f"UNEQUAL: {what}" for what in self.unequal))
        return "\n\n".join(parts)

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        goals = [
            {"what": goal.what, "measured": goal.measured, "least": goal.least, "most": goal.most, "met": goal.met}
            for goal in self.goals
        ]
        return {"goals": goals, "notes": self.notes, "unequal": self.unequal, **self.data}


def timings_as_json(timings: Mapping[str, Timing]) -> dict[str, Any]:
    """Medians, quartiles and every run, in seconds."""
    return {
        name: {"median": timing.median, "quartiles": timing.quartiles, "runs": timing.seconds}
        for name, timing in timings.items()
    }
