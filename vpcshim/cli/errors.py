"""What ends a command with one line on stderr."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

import click

from vpcshim.cli.text import name_shown, one_line

if TYPE_CHECKING:
    from vpcshim.com.errors import ComError

DOCTOR = "`vpcshim doctor` says what to do about it"


def complain(text: str) -> None:
    """One line on stderr, after whatever went to stdout before."""
    sys.stdout.flush()
    click.echo(f"vpcshim: {one_line(text)}", err=True)


def no_machines(names: Iterable[str], hosts: Iterable[str]) -> list[str]:
    """One line for each name that is no machine's on these servers."""
    where = ", ".join(hosts)
    return [one_line(f"there is no machine named {name_shown(name)} on {where}") for name in names]


def is_of_names(error: ComError) -> bool:
    """Whether it is the names asked for that are wrong, not the server."""
    from vpcshim.model.names import AmbiguousName

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, AmbiguousName):
        cause = cause.__cause__
    return cause is not None


def refused(host: str, error: ComError) -> str:
    """What is said of a server that found no machines: as `unreachable`, unless it is about their names."""
    return f"{host}: {error.description}" if is_of_names(error) else unreachable(host, error.description)


def unreachable(host: str, why: str) -> str:
    """What is said of a server that cannot be asked: which one, why, and who knows what to do about it."""
    named = re.search(rf"(?<!\w){re.escape(host)}(?!\w)", why)
    return f"{why if named else f'{host}: {why}'} ({DOCTOR})"


class Refused(click.ClickException):
    """The command cannot be run as it was asked for."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the one line, without click's usage text: the usage was right."""
        complain(self.message)
