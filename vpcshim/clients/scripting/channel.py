"""The channel to the script host: two pipes that this process made, so nobody else has an end of them."""

from __future__ import annotations

import os
import select

from vpcshim.clients.scripting.frames import Kind, split

_CHUNK = 1 << 16


class HostGone(Exception):
    """The other end is closed: the host has ended, or crashed."""


class NotGreeted(HostGone):
    """The host ended before it greeted: nothing of the script has run."""


class Channel:
    """Reads and writes whole frames."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._data = bytearray()

    def receive(self) -> tuple[Kind, bytes]:
        """The next frame, waited for.

        Raises:
            HostGone: There is none any more.
            BadFrame: It is none.
        """
        while True:
            if self._data:
                found = split(self._data)
                if found is not None:
                    kind, payload, end = found
                    del self._data[:end]
                    return kind, payload
            try:
                data = os.read(self._reading, _CHUNK)
            except OSError as error:
                raise HostGone(str(error)) from error
            if not data:
                raise HostGone("the script host has closed the channel")
            self._data += data

    def send(self, frame: bytes) -> None:
        """Write a frame; raises HostGone."""
        view = memoryview(frame)
        while view:
            try:
                view = view[os.write(self._writing, view) :]
            except OSError as error:
                raise HostGone(str(error)) from error

    def stirs(self, seconds: float) -> bool:
        """Wait for so long, or until the host writes or goes away, which it does not while it waits for us."""
        return bool(self._data) or bool(select.select([self._reading], [], [], seconds)[0])
