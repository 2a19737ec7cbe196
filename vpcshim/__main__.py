"""The command `vpcshim`, also as `python -m vpcshim`.

An interrupt while modules are loaded, or while the interpreter ends, ends the process and nothing else: there is
nothing to tidy up then, and a traceback would say nothing.
"""

from __future__ import annotations

import signal
import sys


def program() -> int:
    """Run the command line, and return its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from vpcshim.cli.main import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(program())
