"""Running a Python script made for pywin32: in this process, with the stand-in importable."""

from __future__ import annotations

import runpy
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

import vpcshim
from vpcshim.clients.calls import Hook
from vpcshim.clients.hooks.strict import Fatal, Strict
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
    strict = next((hook for hook in hooks if isinstance(hook, Strict)), None)
    try:
        code = _run(script)
        if strict is None or strict.fatal is None:
            return code
        # Also of one that the script took: it still knows where it was raised first.
        _told(script, f"ended by --strict: {strict.fatal}", traceback.extract_tb(strict.fatal.__traceback__))
        return FAILED
    finally:
        sys.argv, sys.path[:] = kept_arguments, kept_path
        uninstall_pywin32()
        sys.stdout.flush()


def _run(script: Path) -> int:
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        return _exit_code(ended)
    except Fatal:
        return FAILED  # told by whoever began with --strict
    except SyntaxError as error:
        place = f"({error.lineno}, {error.offset})" if error.lineno else ""
        print(f"{error.filename or script}{place}: {error.msg}", file=sys.stderr)
        return FAILED
    except Exception as error:  # noqa: BLE001 - whatever a script lets through is its own, and is told as such
        what = str(error) if isinstance(error, ComError) else f"{type(error).__name__}: {error}"
        _told(script, what, traceback.extract_tb(error.__traceback__))
        return FAILED
    return 0


def _exit_code(ended: SystemExit) -> int:
    if ended.code is None:
        return 0
    if isinstance(ended.code, int):
        return ended.code & 0xFF
    print(ended.code, file=sys.stderr)
    return FAILED


def _told(script: Path, what: str, stack: Iterable[traceback.FrameSummary]) -> None:
    """Print the script's own frames and the one line that says what ended it, and where."""
    frames = [frame for frame in stack if not frame.filename.startswith(_OURS)]
    first = next((place for place, frame in enumerate(frames) if frame.filename == str(script)), 0)
    frames = frames[first:]
    if len(frames) > 1:
        print("Traceback (most recent call last):", file=sys.stderr)
        sys.stderr.writelines(traceback.format_list(frames))
    where = str(script)
    if frames:
        column = getattr(frames[-1], "colno", None)
        place = f"{frames[-1].lineno}" if column is None else f"{frames[-1].lineno}, {column + 1}"
        where = f"{frames[-1].filename}({place})"
    print(f"{where}: {what}", file=sys.stderr)
