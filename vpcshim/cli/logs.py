"""Where log records and libvirt's own messages go when vpcshim is a program, not a library."""

from __future__ import annotations

import logging

import click

from vpcshim.cli.text import escaped, one_line


class _Lines(logging.Handler):
    """One line per record on whatever stderr is at that moment (a live display puts itself in its place)."""

    def __init__(self, verbose: bool) -> None:
        super().__init__(logging.DEBUG if verbose else logging.WARNING)
        self._verbose = verbose

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record; its traceback only for -v."""
        text = one_line(record.getMessage())
        if self._verbose:
            text = f"{record.levelname.lower()}: {record.name}: {text}"
        click.echo(f"vpcshim: {text}", err=True)
        if self._verbose and record.exc_info:
            lines = logging.Formatter().formatException(record.exc_info).split("\n")
            click.echo("\n".join(map(escaped, lines)), err=True)


def set_up(verbose: bool) -> None:
    """Send vpcshim's warnings (with `verbose`, everything) to stderr; later calls replace earlier ones."""
    root = logging.getLogger("vpcshim")
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, _Lines)]
    root.addHandler(_Lines(verbose))
    root.setLevel(logging.DEBUG if verbose else logging.WARNING)


def silence_libvirt() -> None:
    """Keep libvirt from printing every error to stderr itself: what matters is said by whoever made the call."""
    import libvirt

    libvirt.registerErrorHandler(_ignore, None)


def _ignore(_context: object, _error: object) -> None:
    """libvirt raises the same error as an exception."""
