"""The host's process: started with two pipes as its standard streams, ended for certain."""

from __future__ import annotations

import ctypes
import secrets
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from vpcshim.clients.scripting.channel import Channel
from vpcshim.clients.scripting.frames import SECRET_SIZE
from vpcshim.clients.wine import installation, program
from vpcshim.model.paths import DriveMap

_PATIENCE = 5
_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl


def _end_with_us() -> None:
    """A script that asks us nothing would not notice that we were killed: the kernel sees to it."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class HostProcess:
    """One run of the host program; a context manager.

    Attributes:
        channel: The channel to it.
        secret: What it has to greet with.
        drive: The folder of the host that is its drive C.
    """

    def __init__(self) -> None:
        """Start it; raises NoWine."""
        wine = installation.find()
        host = program.path()
        prefix = installation.prefix(wine)
        self.drive = prefix / "drive_c"
        environment = wine.environment(prefix)
        self.secret = secrets.token_bytes(SECRET_SIZE)
        installation.keep_server(wine, environment)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            [wine.loader, str(host)],
            env={**environment, "VPCSHIM_SECRET": self.secret.hex(), "VPCSHIM_TEMP": self._temporary()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            preexec_fn=_end_with_us,  # one call into the C library, which is loaded by then
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.channel = Channel(self._process.stdout.fileno(), self._process.stdin.fileno())

    def _temporary(self) -> str:
        return DriveMap({"C:": self.drive, "Z:": Path("/")}).to_script(tempfile.gettempdir())

    def __enter__(self) -> HostProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the channel and see the process end; one that does not, or that is given up, is killed."""
        if kind is not None:
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def last_words(self) -> str:
        """The end of what Wine wrote to its standard error."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:])
