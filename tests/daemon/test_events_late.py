"""Events that are on their way for long while calls over another connection are answered at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import libvirt
import pytest

import vpcshim
from tests.harness.daemon import TestDriverDaemon
from tests.harness.waiting import wait_until
from vpcshim.constants import VMVMState

RUNNING, PAUSED = VMVMState.vmVMState_Running, VMVMState.vmVMState_Paused
OFF, STOPPING = VMVMState.vmVMState_TurnedOff, VMVMState.vmVMState_TurningOff
_LATE = 0.4


@pytest.fixture(autouse=True)
def _quiet_errors() -> Iterator[None]:
    libvirt.registerErrorHandler(lambda *_: None, None)
    yield
    libvirt.registerErrorHandler(None, None)


class SlowFirst:
    """A socket in front of the daemon's; what the daemon says on the first connection made to it arrives late."""

    def __init__(self, daemon: Path, path: Path) -> None:
        self.late = threading.Event()
        self._daemon = daemon
        self._sockets = [socket.socket(socket.AF_UNIX)]
        self._sockets[0].bind(str(path))
        self._sockets[0].listen()
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def close(self) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for one in self._sockets:
            one.close()

    def _begin(self, target: Callable[..., None], *args: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._sockets[0].accept()
                server = socket.socket(socket.AF_UNIX)
                slow = len(self._sockets) == 1
                self._sockets += client, server
                server.connect(str(self._daemon))
                self._begin(self._pump, client, server, False)
                self._begin(self._pump, server, client, slow)

    def _pump(self, source: socket.socket, sink: socket.socket, slow: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if slow and self.late.is_set():
                    time.sleep(_LATE)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


class Heard:
    def __init__(self) -> None:
        self.all: list[Any] = []

    def OnStateChange(self, state: VMVMState) -> None:
        self.all.append(state)


@pytest.fixture
def slow(testdriver_daemon: TestDriverDaemon) -> Iterator[SlowFirst]:
    made = SlowFirst(testdriver_daemon.socket, testdriver_daemon.folder / "slow")
    yield made
    made.close()


def test_the_order_is_that_of_what_was_done(testdriver_daemon: TestDriverDaemon, slow: SlowFirst) -> None:
    uri = f"test+unix:///default?socket={testdriver_daemon.folder / 'slow'}"
    application = vpcshim.CreateObject("VirtualServer.Application", uri, timeout=10.0)
    vm = application.FindVirtualMachine("test")
    heard = vpcshim.WithEvents(vm, Heard)
    somebody = libvirt.open(testdriver_daemon.uri)
    slow.late.set()
    somebody.lookupByName("test").suspend()
    somebody.lookupByName("test").resume()
    somebody.close()
    vm.TurnOff().WaitForCompletion(-1)
    with suppress(TimeoutError):
        wait_until(lambda: len(heard.all) >= 4, 10)
    assert heard.all == [PAUSED, RUNNING, STOPPING, OFF]
