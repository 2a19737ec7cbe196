"""Runs the scripts that are attached to events, for as long as somebody holds it.

One process of a user does it for a server at a time, however many hear of the events: a script is run once for an
event. It runs as that process's own user, without a shell, without input, in a session of its own, for a bounded
time and with bounded output, which is logged.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from types import TracebackType

from vpcshim.com.errors import Failure, com_error
from vpcshim.com.events import EVENTS_LOST, Fired, Subscription
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMEventType
from vpcshim.hypervisor.errors import DomainGone, HypervisorError
from vpcshim.model import preferences
from vpcshim.model.base import ModelObject
from vpcshim.model.events import attached
from vpcshim.model.events.attached import Switchboard
from vpcshim.model.events.connect import everything
from vpcshim.model.events.tracker import Told
from vpcshim.model.machine.scripts import scripts_of

logger = logging.getLogger(__name__)

# For how long one script may run (seconds), how much of its output is logged (bytes), and how many run at a time.
LONGEST = 60.0
_OUTPUT = 16_384
_AT_A_TIME = 4
_LOOK = 0.02
_BLOCKS = 64  # of output that are read between two looks


class ScriptRunner:
    """Runs the scripts of one server's events; close it, or use it as a context manager.

    Args:
        application: The application object whose server and machines they are.

    Raises:
        ComError: The server cannot be reached, or another process of this user runs its scripts already.
    """

    def __init__(self, application: ModelObject) -> None:
        self._application = application
        self._running = threading.BoundedSemaphore(_AT_A_TIME)
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        with application._server.connection.calls():
            self._uri = application._server.connection.uri or application._server.connection.label
        self._lock = self._alone()
        self._subscription = Subscription(self._on, "the scripts attached to events")
        try:
            self._subscription.connect(everything(application, lambda told: told.script is not None))
        except BaseException:
            os.close(self._lock)
            raise
        self._subscription.put(Fired("", (Told("", "", "", script=VMEventType.vmEvent_VirtualServerStarted),)))

    def _alone(self) -> int:
        """The lock of the only process of this user that runs the scripts of that server."""
        folder = preferences.folder()
        name = hashlib.sha256(self._uri.encode()).hexdigest()[:16]
        file = folder / f"scripts-{name}.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            text = f"{file} cannot be opened: {error.strerror}"
            raise com_error(Failure(HRESULT.DISP_E_EXCEPTION, text), self._application._source_) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            text = f"another process of this user runs the scripts attached to events of {self._uri}"
            raise com_error(Failure(HRESULT.E_ACCESSDENIED, text), self._application._source_) from error
        return fd

    def close(self) -> None:
        """Start no more scripts but those for the end of the service; those that run are waited for."""
        if self._subscription.closed:
            return
        self._subscription.close()
        self._start(Told("", "", "", script=VMEventType.vmEvent_VirtualServerStopped), last=True)
        with self._starting:
            threads = self._threads
        for thread in threads:
            thread.join(LONGEST + 5)
        os.close(self._lock)

    def __enter__(self) -> ScriptRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- an event ------------------------------------------------------------------------------------------

    def _on(self, fired: Fired) -> None:
        if fired.name == EVENTS_LOST:
            logger.warning("scripts may not have been run: %s", *fired.args)
        else:
            self._start(fired.args[0])

    def _start(self, told: Told, *, last: bool = False) -> None:
        for command in self._commands(told):
            self._running.acquire()
            with self._starting:
                if self._subscription.closed and not last:  # while it waited for its turn
                    self._running.release()
                    return
                thread = threading.Thread(
                    target=self._run, args=(command, told), name="vpcshim-script", daemon=True
                )
                self._threads = [*(known for known in self._threads if known.is_alive()), thread]
                thread.start()

    def _commands(self, told: Told) -> Iterator[str]:
        """The command lines that are attached to that event and may be run."""
        assert told.script is not None
        try:
            switches = Switchboard()
            if switches.of_server and (command := switches.script(told.script)):
                yield command
            if told.uuid and switches.of_machines:
                with self._application._server.connection.domain(told.uuid) as domain:
                    command = scripts_of(domain).get(int(told.script), "")
                if command:
                    yield command
        except DomainGone:
            logger.debug("%s is gone, and with it its scripts", told.machine)
        except (Failure, HypervisorError) as error:
            logger.error("the scripts for %s cannot be read: %s", told.script.name, error)

    def _run(self, command: str, told: Told) -> None:
        try:
            run(command, self._environment(told))
        except Exception:
            logger.exception("%s was not run", command)
        finally:
            self._running.release()

    def _environment(self, told: Told) -> dict[str, str]:
        assert told.script is not None
        about = {
            "VPCSHIM_URI": self._uri,
            "VPCSHIM_EVENT": told.script.name,
            "VPCSHIM_MACHINE": told.machine,
            "VPCSHIM_MACHINE_UUID": told.uuid,
        }
        return {**os.environ, **about}


def run(command: str, environment: dict[str, str], longest: float = LONGEST) -> int | None:
    """Run one command line to its end, and log how it ended.

    Returns:
        Its exit code; None when it could not be started, or was killed after `longest` seconds.
    """
    try:
        arguments = attached.arguments(command)
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    except (Failure, OSError) as error:
        logger.error("%s cannot be run: %s", command, error)
        return None
    event = environment.get("VPCSHIM_EVENT", "")
    assert process.stdout is not None
    with process.stdout as stream:
        os.set_blocking(stream.fileno(), False)
        output = bytearray()
        in_time = _ends(process.pid, longest, stream.fileno(), output)
        # What it left running in its process group ends with it, for nobody would bound that. It is not reaped yet:
        # the number is still its own.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except PermissionError as error:
            # It is another user's now (sudo). One that has ended is all the same to us.
            logger.log(logging.DEBUG if in_time else logging.ERROR, "%s cannot be killed: %s", command, error)
            if not in_time:
                threading.Thread(target=process.wait, name="vpcshim-script-left", daemon=True).start()
                return None
        code = process.wait()
        # What it wrote; nobody waits for one that left the group and holds the pipe.
        _read(stream.fileno(), output)
    text = bytes(output).decode(errors="replace").strip()
    if not in_time:
        logger.error("%s for %s was killed: it took longer than %g s: %s", command, event, longest, text)
        return None
    logger.log(
        logging.INFO if code == 0 else logging.WARNING, "%s for %s ended with %d: %s", command, event, code, text
    )
    return code


def _ends(pid: int, longest: float, fd: int, output: bytearray) -> bool:
    """Wait for a child to end, without reaping it, and read what it writes; whether it did in that time."""
    deadline = time.monotonic() + longest
    written = select.poll()
    written.register(fd, select.POLLIN)
    more = True
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() >= deadline:
            return False
        if more:
            written.poll(_LOOK * 1000)
            more = _read(fd, output)
        else:
            time.sleep(_LOOK)
    return True


def _read(fd: int, output: bytearray) -> bool:
    """Keep the beginning of the output that is there by now, and let the rest go by; whether more may come."""
    for _ in range(_BLOCKS):  # one that never stops writing is not read for ever
        try:
            block = os.read(fd, _OUTPUT)
        except BlockingIOError:
            return True
        if not block:
            return False
        output += block[: _OUTPUT - len(output)]
    return True
