"""The command `vpcshim`, also as `python -m vpcshim`.

An interrupt while modules are loaded, or while the interpreter ends, ends the process and nothing else: there is
nothing to tidy up then, and a traceback would say nothing.
"""

from __future__ import annotations

import io
import signal
import sys


def program() -> int:
    """Run the command line, and return its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from vpcshim.cli.main import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    _keep_nothing_of_stderr()
    try:
        return main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _keep_nothing_of_stderr() -> None:
    """Write it through, as `python -u` does.

    What it could not take, because nobody reads it any more, would be kept: a script that closes it would fail for
    what was not its own, and Python would end with 120 instead of the exit code.
    """
    stderr = sys.stderr
    if isinstance(stderr, io.TextIOWrapper) and isinstance(stderr.buffer, io.BufferedWriter):
        sys.stderr = io.TextIOWrapper(
            stderr.buffer.raw,
            encoding=stderr.encoding,
            errors=stderr.errors,
            line_buffering=True,
            write_through=True,
        )


if __name__ == "__main__":
    sys.exit(program())
