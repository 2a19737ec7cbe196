"""What ends a command with one line on stderr."""

from __future__ import annotations

import sys
from typing import IO, Any

import click

from vpcshim.cli.text import one_line


def complain(text: str) -> None:
    """One line on stderr, after whatever went to stdout before."""
    sys.stdout.flush()
    click.echo(f"vpcshim: {one_line(text)}", err=True)


class Refused(click.ClickException):
    """The command cannot be run as it was asked for."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the one line, without click's usage text: the usage was right."""
        complain(self.message)
