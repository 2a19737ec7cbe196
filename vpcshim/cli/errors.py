"""What ends a command with one line on stderr."""

from __future__ import annotations

import re
import sys
from typing import IO, Any

import click

from vpcshim.cli.text import one_line


def complain(text: str) -> None:
    """One line on stderr, after whatever went to stdout before."""
    sys.stdout.flush()
    click.echo(f"vpcshim: {one_line(text)}", err=True)


def unreachable(host: str, why: str) -> str:
    """What is said of a server that cannot be asked: which one, why, and who knows what to do about it."""
    named = re.search(rf"(?<!\w){re.escape(host)}(?!\w)", why)
    return f"{why if named else f'{host}: {why}'} (`vpcshim doctor` says what to do about it)"


class Refused(click.ClickException):
    """The command cannot be run as it was asked for."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the one line, without click's usage text: the usage was right."""
        complain(self.message)
