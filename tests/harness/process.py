"""One daemon, started by us and ended by us: by its process id and never by a name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: Longest wait for a daemon to come up or to go down; on a busy machine a first start may take a while.
PATIENCE = 60.0

# How long after its first answer a thawed daemon is watched for a crash (seconds), and what counts as one.
_SETTLING = 0.1
_CRASHES = (signal.SIGSEGV, signal.SIGABRT)


class DaemonError(AssertionError):
    """The daemon did not do what it was told; the message ends with its log."""


class Daemon:
    """A program in the foreground, with the signals a test wants to send it.

    ``ready`` is asked again and again after a start: it raises, or answers False, while the daemon is not usable.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = list(command)
        self.log = log
        self._ready = ready
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False
        self._watch: threading.Timer | None = None
        #: Seconds the last start() took until the daemon answered.
        self.start_seconds = 0.0

    @property
    def pid(self) -> int:
        """The daemon's process id; it must be running."""
        if self._process is None or self._process.poll() is not None:
            raise DaemonError("the daemon is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """True while the process is there, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the daemon and wait until it really answers."""
        if self.running:
            raise DaemonError("the daemon runs already")
        began = time.monotonic()
        with self.log.with_suffix(".out").open("ab") as out:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self._environment
            )
        self._frozen = False
        try:
            self._wait_ready(began + PATIENCE)
        except BaseException:
            self.kill()
            raise
        self.start_seconds = time.monotonic() - began

    def _wait_ready(self, deadline: float) -> None:
        why = "it never answered"
        while time.monotonic() < deadline:
            if not self.running:
                code = self._process.returncode if self._process else None
                raise self._failure(f"the daemon ended with status {code} while starting")
            try:
                if self._ready():
                    return
            except Exception as error:  # noqa: BLE001 - any reason for "not yet"; kept for the message
                why = str(error)
            time.sleep(0.005)
        raise self._failure(f"the daemon was not ready within {PATIENCE:g} s: {why}")

    def stop(self) -> None:
        """End it the polite way (SIGTERM) and wait; a daemon that does not go is killed, and that is an error."""
        if self._process is None or not self.running:
            return
        self._wake()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._failure(f"SIGTERM did not end the daemon within {PATIENCE:g} s") from None

    def kill(self) -> None:
        """End it the hard way (SIGKILL) and wait until it is gone."""
        self._unwatch()
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._frozen = False

    def restart(self) -> None:
        """Stop and start: a new process on the same sockets."""
        self.stop()
        self.start()

    def freeze(self, at_most: float = 60.0) -> None:
        """SIGSTOP: the sockets stay open and nobody answers, as behind a dead network.

        A call without keepalive waits for ever on a frozen daemon, so after ``at_most`` seconds the daemon is
        killed and the call fails.
        """
        os.kill(self.pid, signal.SIGSTOP)
        self._frozen = True
        self._watch = threading.Timer(at_most, self.kill)
        self._watch.daemon = True
        self._watch.start()

    def thaw(self) -> None:
        """SIGCONT after freeze(), and wait until it answers; harmless on a daemon that was not frozen.

        libvirtd 9.0 may die of it: when a client with event callbacks went away meanwhile and a call of it was
        left, one thread frees the callbacks while another still walks over them (seen about once in a thousand
        times, with plain libvirt clients as well). Such a daemon is started again, as a machine's init would do.
        """
        if not self._wake():
            return
        try:
            self._wait_ready(time.monotonic() + PATIENCE)
            time.sleep(_SETTLING)
        except DaemonError:
            if self.running:
                raise
        status = None if self._process is None else self._process.poll()
        if status is not None:
            if -status not in _CRASHES:
                raise self._failure(f"the daemon ended with status {status} when it was thawed")
            print(f"the daemon crashed when it was thawed (status {status}) and is started again")
            self.start()

    def _wake(self) -> bool:
        self._unwatch()
        stood = self._frozen and self.running
        if stood:
            os.kill(self.pid, signal.SIGCONT)
        self._frozen = False
        return stood

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = None

    def read_log(self, lines: int = 60) -> str:
        """The end of what the daemon said, in its log and on its output."""
        parts = []
        for path in (self.log, self.log.with_suffix(".out")):
            if path.exists():
                parts.append(f"--- {path.name}")
                parts += path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(parts)

    def _failure(self, message: str) -> DaemonError:
        print(self.read_log(), file=sys.stderr)
        return DaemonError(f"{message}\n{self.read_log()}")
