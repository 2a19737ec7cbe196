"""Running a script in VBScript or JScript: through Wine's script engines, with our objects behind its calls.

The exit codes are told by `cli/run.py`.
"""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

from vpcshim.clients.calls import Calls, Hook
from vpcshim.clients.files.changes import Changes, Pretended
from vpcshim.clients.files.places import Places
from vpcshim.clients.files.system import FileSystemObject
from vpcshim.clients.files.wine import Wine
from vpcshim.clients.hooks.dry_run import DryRun
from vpcshim.clients.hooks.strict import Strict
from vpcshim.clients.scripting import language
from vpcshim.clients.scripting.channel import HostGone, NotGreeted
from vpcshim.clients.scripting.frames import BadFrame
from vpcshim.clients.scripting.globals import FUNCTIONS, Factory, Script
from vpcshim.clients.scripting.session import Outcome, ScriptError, Session
from vpcshim.clients.scripting.streams import Streams
from vpcshim.clients.text import NotText, read_script
from vpcshim.clients.wine.installation import NoWine
from vpcshim.clients.wine.process import HostProcess
from vpcshim.com.errors import describe_code
from vpcshim.com.hresult import HRESULT
from vpcshim.model.paths import DriveMap

logger = logging.getLogger(__name__)

FAILED, REFUSED, CRASHED = 1, 2, 70
ENGINES = {".vbs": 0, ".js": 1}


def run_script(
    script: Path,
    args: tuple[str, ...],
    application_factory: Factory,
    hooks: tuple[Hook, ...] = (),
    *,
    batch: bool = False,
    drives: DriveMap | None = None,
) -> int:
    """Run a script, and return its exit code. What ends it is told on stderr, as `file(line, column): error`.

    Args:
        script: The file; `.vbs` or `.js` says which engine.
        args: Its arguments.
        application_factory: Makes its applications, from a ProgID and the name of a server.
        hooks: What sees its calls.
        batch: Whether nobody is there to answer MsgBox and InputBox.
        drives: Which folder of this machine each letter stands for, for FileSystemObject; None where the drive map
            is about another machine.
    """
    try:
        text = read_script(script)
    except NotText as error:
        return _refused(script, str(error))
    except OSError as error:
        return _refused(script, error.strerror or str(error))
    streams = _streams()
    engine = ENGINES[script.suffix.lower()]
    strict = any(isinstance(hook, Strict) for hook in hooks)
    try:
        prepared = language.prepare(engine, text, FUNCTIONS, strict=strict)
    except language.Refused as error:
        print(f"{script}{error}", file=sys.stderr)
        return REFUSED
    except language.Misread as error:
        print(f"{script}{error}", file=sys.stderr)
        return FAILED
    for last in (False, True):
        try:
            host = HostProcess()
        except NoWine as error:
            return _refused(script, str(error))
        with host:
            calls = Calls(*hooks)
            session = Session(host.channel, host.secret, calls, engine)
            wine = Wine(session)
            changes = Pretended() if any(isinstance(hook, DryRun) for hook in hooks) else Changes()
            places = Places(drives, host.drive, wine.current_folder, changes)
            files = FileSystemObject(places, wine, streams.objects)
            asked = Script(session, calls, application_factory, files, prepared.own, strict=strict)
            names = asked.names(script, args, streams, batch=batch)
            try:
                outcome = session.run(script.name, prepared.prelude, prepared.text, names)
                break
            except (HostGone, BadFrame) as error:
                if isinstance(error, NotGreeted) and not last:
                    # The kept wineserver may have ended just then; the next host starts another.
                    logger.info("the script host ended before it began, and is started once more: %s", error)
                    continue
                streams.stdout.flush()
                words = host.last_words()
                guess = f" ({_ENDLESS})" if isinstance(error, HostGone) else ""
                told = f"{error}{guess}{': ' if words else ''}{words}"
                print(f"{script}: the script engine failed: {told}", file=sys.stderr)
                return CRASHED
            finally:
                asked.close()
    streams.stdout.flush()
    return _told(script, outcome, prepared)


def _streams() -> Streams:
    """Our own standard streams; one that was closed by whoever started us is empty, and takes everything."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    nowhere = _Nowhere()
    return Streams(sys.stdin or io.StringIO(), sys.stdout or nowhere, sys.stderr or nowhere)


class _Nowhere(io.StringIO):
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        """Take the text."""
        return len(text)


def _refused(script: Path, why: str) -> int:
    print(f"vpcshim: {script}: {why}", file=sys.stderr)
    return REFUSED


def _told(script: Path, outcome: Outcome, prepared: language.Prepared) -> int:
    error = outcome.error
    where = str(script)
    if error is not None and error.line:
        line, column = prepared.place(error.line, error.column)
        where = f"{script}({line}, {column})"
    if error is not None and error.executed is not None:
        where += f": the text to execute {error.executed}"
    if outcome.fatal is not None:
        print(f"{where}: ended by --strict: {outcome.fatal}", file=sys.stderr)
        return FAILED
    if error is not None:
        print(f"{where}: {described(error)}", file=sys.stderr)
        return FAILED
    return 0 if outcome.code is None else outcome.code & 0xFF


def described(error: ScriptError) -> str:
    """What ended a script, in one line: our own failure by its name, else what the engine says."""
    failure = error.failure
    if failure is not None and (error.scode == failure.code or failure.code in _BY_ENGINE):
        return f"{describe_code(failure.code)}: {failure.description}"
    number = error.scode & 0xFFFF_FFFF
    if error.description:
        shown = number & 0xFFFF if number >> 16 == _VB_ERRORS else f"0x{number:08X}"
        return f"{error.description} ({error.source or 'the script'}, error {shown})"
    if number in _TEXTS and not error.is_of_syntax:
        return f"{_TEXTS[number]} (0x{number:08X})"
    guess = "syntax that the engine does not know" if error.is_of_syntax else _GUESS
    return f"{describe_code(error.scode)}, for which Wine's script engine gives no reason: {guess}"


# The upper half of the numbers that VBScript counts its own errors in: Err.Number is the lower one.
_VB_ERRORS = 0x800A
# The engine has texts and numbers of its own for these.
_BY_ENGINE = frozenset(code for code in HRESULT if code.name.startswith("DISP_E_"))
_TEXTS = {
    0x8000_4001: "a member that Wine has not built",
    0x8002_0012: "Division by zero",
}
_ENDLESS = "likely causes: procedures that call themselves or each other without end, For Each over Nothing"
_GUESS = "a variable that is not there (Option Explicit), a member of Nothing, or something that the engine lacks"
