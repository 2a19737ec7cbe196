"""Running a Python script made for pywin32: in this process, with the stand-in importable."""

from __future__ import annotations

import runpy
import sys
import traceback
from pathlib import Path
from types import TracebackType

import vpcshim
from vpcshim.clients.calls import Hook
from vpcshim.clients.hooks.strict import Fatal
from vpcshim.clients.pywin32.install import install_pywin32, uninstall_pywin32
from vpcshim.clients.pywin32.session import Factory
from vpcshim.com.errors import ComError

FAILED = 1
_OURS = (str(Path(vpcshim.__file__).parent), "<frozen runpy>", runpy.__file__)


def run_python(script: Path, args: tuple[str, ...], factory: Factory, hooks: tuple[Hook, ...] = ()) -> int:
    """Run a script as `python SCRIPT ARGS` would, and return its exit code.

    An exception that it lets through is printed to stderr: the script's own frames, then one line
    `file(line, column): error`, with the name of a COM error.

    Args:
        script: The file.
        args: Its arguments.
        factory: Makes its applications.
        hooks: What sees its calls.

    Raises:
        KeyboardInterrupt: It was interrupted.
        RuntimeError: pywin32 itself is installed here.
    """
    install_pywin32(factory=factory, hooks=hooks)
    kept_arguments, kept_path = sys.argv, sys.path[:]
    sys.argv, sys.path[0:1] = [str(script), *args], [str(script.resolve().parent)]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        return _exit_code(ended)
    except Fatal as fatal:
        _told(script, f"ended by --strict: {fatal}", fatal.__traceback__)
        return FAILED
    except SyntaxError as error:
        print(f"{error.filename}({error.lineno}, {error.offset}): {error.msg}", file=sys.stderr)
        return FAILED
    except ComError as error:
        _told(script, str(error), error.__traceback__)
        return FAILED
    except Exception as error:  # noqa: BLE001 - whatever a script lets through is its own, and is told as such
        _told(script, f"{type(error).__name__}: {error}", error.__traceback__)
        return FAILED
    finally:
        sys.argv, sys.path[:] = kept_arguments, kept_path
        uninstall_pywin32()
        sys.stdout.flush()
    return 0


def _exit_code(ended: SystemExit) -> int:
    if ended.code is None:
        return 0
    if isinstance(ended.code, int):
        return ended.code & 0xFF
    print(ended.code, file=sys.stderr)
    return FAILED


def _told(script: Path, what: str, trace: TracebackType | None) -> None:
    """Print the script's own frames and the one line that says what ended it, and where."""
    frames = [frame for frame in traceback.extract_tb(trace) if not frame.filename.startswith(_OURS)]
    if len(frames) > 1:
        print("Traceback (most recent call last):", file=sys.stderr)
        sys.stderr.writelines(traceback.format_list(frames))
    where = str(script)
    if frames:
        column = getattr(frames[-1], "colno", None)
        place = f"{frames[-1].lineno}" if column is None else f"{frames[-1].lineno}, {column + 1}"
        where = f"{frames[-1].filename}({place})"
    print(f"{where}: {what}", file=sys.stderr)
