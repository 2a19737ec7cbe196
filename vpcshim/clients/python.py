"""Running a Python script made for pywin32: in this process, with the stand-in importable."""

from __future__ import annotations

import logging
import os
import runpy
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import vpcshim
from vpcshim.clients.calls import Hook
from vpcshim.clients.hooks.strict import Fatal, Strict
from vpcshim.clients.pywin32.install import install_pywin32
from vpcshim.clients.pywin32.session import Factory
from vpcshim.com import events as com_events
from vpcshim.com.errors import ComError

FAILED = 1
_OURS = (f"{Path(vpcshim.__file__).parent}{os.sep}", "<frozen runpy>", runpy.__file__)


def run_python(script: Path, args: tuple[str, ...], factory: Factory, hooks: tuple[Hook, ...] = ()) -> int:
    """Run a script as `python SCRIPT ARGS` would, and return its exit code.

    An exception that it lets through is printed to stderr: the script's own frames, then one line
    `file(line, column): error`, with the name of a COM error; before it, those that it was raised of.

    The process is the script's from now on: its arguments, its path and the stand-in stay, for the threads and
    functions at exit that it leaves behind.

    Args:
        script: The file.
        args: Its arguments.
        factory: Makes its applications.
        hooks: What sees its calls.

    Raises:
        KeyboardInterrupt: It was interrupted.
        AlreadyThere: pywin32 itself is installed here.
    """
    install_pywin32(factory=factory, hooks=hooks)
    sys.argv, sys.path[0:1] = [str(script), *args], [str(script.resolve().parent)]
    threading.excepthook = lambda ended: _tell(script, ended.exc_value)
    logging.getLogger(com_events.__name__).addFilter(lambda record: not _of_handler(script, record))
    strict = next((hook for hook in hooks if isinstance(hook, Strict)), None)
    try:
        code = _run(script)
        if strict is None or strict.fatal is None:
            return code
        # Also of one that the script took: it still knows where it was raised first.
        _told(script, strict.fatal)
        return FAILED
    finally:
        _flush()


def _flush() -> None:
    try:
        sys.stdout.flush()
    except (AttributeError, ValueError):
        # The script closed it, or put something else in its place; what comes now prints nothing.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process


def _run(script: Path) -> int:
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        return _exit_code(ended)
    except Fatal:
        return FAILED  # told by whoever began with --strict
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a script lets through is its own, and is told as such
        _tell(script, error)
        return FAILED
    return 0


def _tell(script: Path, error: BaseException | None) -> None:
    """Tell of what ended the script, a thread of it, or a call of its event handlers.

    In a function of its own: a local variable of one that the exception went through would keep the exception, and
    with it the script's objects, until the interpreter is taken apart.
    """
    if error is not None and not isinstance(error, SystemExit):
        for one in _history(error):
            _told(script, one)


def _of_handler(script: Path, record: logging.LogRecord) -> bool:
    """Whether this is the record of an event handler that failed; it is told as the script's."""
    if record.exc_info:
        _tell(script, record.exc_info[1])
    return bool(record.exc_info)


def _exit_code(ended: SystemExit) -> int:
    if ended.code is None:
        return 0
    if isinstance(ended.code, int):
        return ended.code & 0xFF
    _say(str(ended.code))
    return FAILED


def _history(error: BaseException) -> Iterator[BaseException]:
    """The exceptions of the script that led to this one, the first one first, and this one."""
    found = [error]
    while len(found) < _LONGEST and (before := _before(found[-1])) is not None:
        found.append(before)
    return reversed(found)


def _before(error: BaseException) -> BaseException | None:
    """What the script handled, or named as the cause, when it raised this."""
    if isinstance(error, ComError):
        before = error.__context__  # its cause is the hypervisor's error
    elif error.__suppress_context__:
        before = error.__cause__
    else:
        before = error.__cause__ or error.__context__
    if before is None or isinstance(before, ComError):
        return before
    raised_in = [frame.filename for frame in traceback.extract_tb(before.__traceback__)][-1:]
    return None if raised_in and raised_in[0].startswith(_OURS) else before


_LONGEST = 10


def _what(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return error.msg
    if isinstance(error, Fatal):
        return f"ended by --strict: {error}"
    return str(error) if isinstance(error, ComError) else f"{type(error).__name__}: {error}"


def _told(script: Path, error: BaseException) -> None:
    """Print the script's own frames and the one line that says what ended it, and where."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_OURS)]
    first = next((place for place, frame in enumerate(frames) if frame.filename == str(script)), 0)
    frames = frames[first:]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if len(frames) > 1 else []
    _say(f"{''.join(lines)}{_where(script, error, frames)}: {_what(error)}")


def _say(text: str) -> None:
    """Tell it on stderr. Where the script has closed that, or nobody reads it, it still ended as it did."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr)


def _where(script: Path, error: BaseException, frames: list[traceback.FrameSummary]) -> str:
    if isinstance(error, SyntaxError):
        place = f"({error.lineno}, {error.offset})" if error.lineno else ""
        return f"{error.filename or script}{place}"
    if not frames:
        return str(script)
    last = frames[-1]
    column = getattr(last, "colno", None)
    return f"{last.filename}({last.lineno if column is None else f'{last.lineno}, {column + 1}'})"
