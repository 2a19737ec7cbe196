"""A link with a round-trip time, in user space: a TCP proxy on loopback that holds every byte back for a while.

The kernel's netem does the same where it is built; a proxy works everywhere, and can count libvirt's calls while
they pass.  It runs as a process of its own, ``python -m tests.benchmarks.delay PORT MILLISECONDS``; it prints the
port it listens on, and for every line on stdin one JSON object with what has passed so far.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import subprocess
import sys
from types import TracebackType

#: libvirt's RPC messages: length, then program, version, procedure, type, serial, status.
_HEAD = struct.Struct(">IIIII")
_KEEPALIVE = 0x6B656570
_CALL = 0


class _Passed:
    """What went from the clients to the server."""

    def __init__(self) -> None:
        self.calls = 0
        self.connections = 0

    def count(self, buffer: bytearray) -> None:
        """Count the whole messages at the front of the buffer, and take them off."""
        while len(buffer) >= _HEAD.size:
            length, program, _, _, kind = _HEAD.unpack_from(buffer)
            if len(buffer) < length:
                return
            if program != _KEEPALIVE and kind == _CALL:
                self.calls += 1
            del buffer[:length]


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float, passed: _Passed | None
) -> None:
    """Hand on what arrives, `delay` seconds later and in order."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def hand_on() -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                sink.close()
                return
            sink.write(data)
            await sink.drain()

    task = asyncio.create_task(hand_on())
    buffer = bytearray()
    data = b"-"
    with contextlib.suppress(OSError):
        while data:
            data = await source.read(1 << 16)
            waiting.put_nowait((loop.time() + delay, data))
            if passed is not None:
                buffer += data
                passed.count(buffer)
    if data:
        waiting.put_nowait((loop.time(), b""))
    with contextlib.suppress(OSError):
        await task


async def _serve(port: int, delay: float) -> None:
    passed = _Passed()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed.connections += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, there_writer, delay, passed), _pump(there_reader, writer, delay, None))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps({"calls": passed.calls, "connections": passed.connections}), flush=True)


class DelayedLink:
    """The proxy process: `port` leads to the other port, `calls()` says what has passed."""

    def __init__(self, port: int, one_way: float) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.delay", str(port), f"{one_way * 1e3:g}"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def calls(self) -> int:
        """How many calls have been sent to libvirt so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(json.loads(self._line())["calls"])

    def __enter__(self) -> DelayedLink:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]) / 1e3))
