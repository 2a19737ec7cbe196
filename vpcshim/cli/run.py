"""`vpcshim run`: a script made for the two products, run as it is."""

from __future__ import annotations

import io
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from vpcshim.cli import logs
from vpcshim.cli.errors import DOCTOR, Refused, complain
from vpcshim.cli.settings import Settings, connection_options, drive_option

if TYPE_CHECKING:
    from vpcshim.clients.calls import Hook
    from vpcshim.model.application import Application
    from vpcshim.model.work import Works

# How long what a script has left is waited for without a word (seconds).
_PATIENCE = 2.0
_EPILOG = """\b
A .py script finds win32com.client, pythoncom, pywintypes and winerror; .vbs and .js run in Wine's script engines
(`vpcshim doctor` says what to install). The server that a script names, CreateObject("VirtualServer.Application",
"kvm3"), is a libvirt URI, an alias or a host name; else it is that of --connect.

\b
Exit codes: the script's own (WScript.Quit, sys.exit); 0 at its end;
  1    an error that the script did not handle, printed as file(line, column): error
       (--strict: the first call that failed)
  2    wrong usage, a script that cannot be read, or that its engine cannot run
  70   the script engine ended before the script did, or a defect of vpcshim
  130  interrupted

\b
Examples:
  vpcshim run report.vbs
  vpcshim run -c qemu+ssh://kvm3/system --trace calls.jsonl provision.py web07 4096
"""


@click.command(
    "run", epilog=_EPILOG, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("script", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@drive_option("script")
@click.option("--trace", metavar="FILE", help="Write one JSON line per COM call to FILE (- is stderr).")
@click.option("--strict", is_flag=True, help="End the script at the first call that fails, whatever it handles.")
@click.option("--dry-run", is_flag=True, help="Answer reads; only pretend what would change anything.")
@click.option("--batch", is_flag=True, help="Refuse MsgBox and InputBox instead of asking on the terminal.")
@connection_options
def command(
    settings: Settings,
    script: Path,
    arguments: tuple[str, ...],
    drives: tuple[str, ...],
    trace: str | None,
    strict: bool,
    dry_run: bool,
    batch: bool,
) -> int:
    """Run SCRIPT (.py, .vbs or .js), made for Virtual Server 2005 or Windows Virtual PC, with its ARGUMENTS."""
    from vpcshim.clients.hooks.unreached import Unreached
    from vpcshim.clients.text import NotText, check_python, language_of

    if str(script).startswith("-") and not script.exists():
        raise click.NoSuchOption(str(script))
    try:
        language = language_of(script)
    except NotText as error:
        raise Refused(f"{script} is {error}") from error
    try:
        if language == "python":
            check_python(script)
        else:
            script.open("rb").close()
    except NotText as error:
        raise Refused(f"{script}: {error}") from error
    except OSError as error:
        raise Refused(f"{script} cannot be read: {error.strerror}") from error
    logs.silence_libvirt()
    factory = _Waiting(settings, drives)
    unreached = Unreached()
    hooks = (unreached, *hooks_of(trace, strict=strict, dry_run=dry_run))
    try:
        if language == "python":
            from vpcshim.clients.python import run_python
            from vpcshim.clients.pywin32.install import AlreadyThere

            try:
                code = run_python(script, arguments, factory, hooks)
            except AlreadyThere as error:
                raise Refused(str(error)) from error
        else:
            from vpcshim.clients.scripts import run_script

            code = run_script(script, arguments, factory, hooks, batch=batch, drives=factory.of_this_machine)
    finally:
        factory.wait()
    if code and unreached.last:
        complain(DOCTOR)
    return code


def hooks_of(
    trace: str | None, *, strict: bool = False, dry_run: bool = False, append: bool = False
) -> tuple[Hook, ...]:
    """What sees the script's calls; the trace first, so that it holds the call that `--strict` ends at.

    `append` is for a trace that several processes write at once: each line is one write, at the end of the file.
    """
    hooks: list[Hook] = []
    if trace is not None:
        from vpcshim.clients.hooks.trace import Trace

        hooks.append(Trace(sys.stderr if trace == "-" else _opened(trace, "ab" if append else "wb")))
    if strict:
        from vpcshim.clients.hooks.strict import Strict

        hooks.append(Strict())
    if dry_run:
        from vpcshim.clients.hooks.dry_run import DryRun

        hooks.append(DryRun())
    return tuple(hooks)


def _opened(name: str, mode: str) -> TextIO:
    """The file for the trace. Nothing is held back; it stays open for the threads that a script leaves behind."""
    try:
        file = open(name, mode, buffering=0)  # noqa: SIM115 - see above
    except OSError as error:
        raise Refused(f"--trace {name} cannot be written: {error.strerror}") from error
    # Half a surrogate, which a script may hold, is an escape of JSON.
    return io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", write_through=True)


class Factory:
    """Makes the script's applications, by the command line's options; Refused where these cannot be.

    Attributes:
        of_this_machine: The drive map; None where it is one of the folders of another machine.
    """

    def __init__(self, settings: Settings, drives: tuple[str, ...]) -> None:
        from vpcshim.model.paths import drives_of

        servers = settings.servers()
        if len(servers) > 1:
            raise Refused("a script has one default server: give --connect once")
        try:
            self._options = replace(servers[0], drives=drives_of(drives) if drives else None)
            drive_map = self._options.drive_map()
            self.of_this_machine = drive_map if self._options.names_this_machine() else None
        except ValueError as error:
            raise Refused(f"{'--drive' if drives else 'VPCSHIM_DRIVES'}: {error}") from error
        if drive_map.missing and self._options.names_this_machine():
            text = f"{'--drive' if drives else 'VPCSHIM_DRIVES'}: {drive_map.missing} of this machine"
            raise Refused(f"{text}. Make it first; where the server is another machine, name that with --connect")

    def __call__(self, progid: str, server: str | None) -> Application:
        """The application of that ProgID, on the server that the script names or on the default."""
        from vpcshim.model.application import CreateObject

        named = replace(self._options, uri=server)  # without its URI where the script names this very machine
        return CreateObject(progid, named if named.uri else self._options)


class _Waiting(Factory):
    """The same, and knows what the script has begun; what goes on when it ends is waited for."""

    def __init__(self, settings: Settings, drives: tuple[str, ...]) -> None:
        super().__init__(settings, drives)
        self._works: weakref.WeakSet[Works] = weakref.WeakSet()

    def __call__(self, progid: str, server: str | None) -> Application:
        """The application of that ProgID, as `Factory`."""
        application = super().__call__(progid, server)
        works = application._server.works
        works.waited_for = False  # but by `wait`, which says so and can be interrupted
        self._works.add(works)
        return application

    def wait(self) -> None:
        """Wait for what the script has begun and left; Ctrl-C leaves it to the hypervisor, KeyboardInterrupt."""
        left = [work for works in tuple(self._works) for work in works.listed() if not work.ended]
        told = False
        try:
            for work in left:
                while not work.wait(None if told else _PATIENCE):
                    what = ", ".join(one.description for one in left if not one.ended)
                    complain(f"waiting for what the script began: {what} (Ctrl-C leaves it to itself)")
                    told = True
        except KeyboardInterrupt:
            for work in left:
                if not work.ended:
                    complain(f"{work.description} was begun; `vpcshim list` shows whether it is done")
            raise
        for work in left:
            if work.failure is not None:
                complain(f"{work.description}: {work.failure.description}")
