"""A host for the benchmarks: a private libvirtd, taps that nobody uses, and real guests that have fallen silent."""

from __future__ import annotations

import random
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.benchmarks.options import CannotRun
from tests.harness import needs
from tests.harness.events import start_event_loop
from tests.harness.guests import Guest, GuestMaker, Hardware, Nic, PrivateLibvirtd
from tests.harness.network import bridge, send_frames
from tests.harness.waiting import wait_until

NICS = 3
BRIDGE = "shimbr0"
TAP_GROUP = "77"
#: How many guests boot at a time: an emulated boot keeps a core busy.
AT_A_TIME = 3
MEMORY_MIB = 80


class Stage:
    """Guests with three NICs of three kinds each, that have sent and received known frames and are silent now.

    Extra taps are made before the guests' own, where libvirt meets them first: it reads /proc/net/dev from the top.
    """

    def __init__(self, guests: int, taps: int) -> None:
        self.count = guests
        self.taps = taps
        self.guests: list[Guest] = []
        self.boot_seconds = 0.0
        self._undo = ExitStack()
        self._local = threading.local()

    def __enter__(self) -> Stage:
        try:
            self._build()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _build(self) -> None:
        if not Path("/dev/net/tun").exists():
            raise CannotRun("/dev/net/tun is not there, so no guest gets a tap")
        start_event_loop()
        self.daemon = PrivateLibvirtd(listen_tcp=True)
        self._undo.callback(self.daemon.close)
        self.daemon.start()
        network = self.daemon.start_network()
        self._undo.enter_context(bridge(BRIDGE))
        if self.taps:
            _batch(
                line
                for number in range(self.taps)
                for line in (
                    f"tuntap add dev extra{number} mode tap",
                    f"link set dev extra{number} up group {TAP_GROUP}",
                )
            )
        folder = Path(self._undo.enter_context(tempfile.TemporaryDirectory(prefix="vpcshim-bench-")))
        maker = GuestMaker(folder)
        self._undo.callback(maker.close)
        print(f"    booting {self.count} guests", flush=True)
        began = time.monotonic()
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            self.guests = list(pool.map(lambda number: self._boot(maker, network, number), range(self.count)))
        self.boot_seconds = time.monotonic() - began
        print(f"    {self.count} guests in {self.boot_seconds:.0f} s", flush=True)
        self.settle()

    def _boot(self, maker: GuestMaker, network: str, number: int) -> Guest:
        mac = f"52:54:00:77:{number:02x}:"
        nics = (
            Nic("bridge", f"{mac}01", BRIDGE),
            Nic("network", f"{mac}02", network),
            Nic("ethernet", f"{mac}03", target=f"shimtap{number}"),
        )
        guest = maker.make(self._connection(), f"guest{number:03d}", Hardware(nics, memory_mib=MEMORY_MIB))
        guest.start()
        # A different number of bytes on each: a mix-up of NICs cannot stay unseen.
        frames = random.Random(number)
        for nic in range(NICS):
            guest.send_frames(nic, frames.randrange(5, 400), frames.randrange(60, 1500))
            send_frames(guest.tap(nic), frames.randrange(5, 400), frames.randrange(60, 1500))
        guest.hang_up()
        return guest

    def _connection(self) -> Any:
        """A connection for each thread: libvirt's client before 10.1 may lose the wake-up of a second thread."""
        found = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self.daemon.open()
            self._undo.callback(found.close)
        return found

    def settle(self) -> None:
        """Wait until no counter moves any more."""

        def silent() -> bool:
            before = Path("/proc/net/dev").read_text()
            time.sleep(1.0)
            return before == Path("/proc/net/dev").read_text()

        # The loopback counts what the exporter is asked; nothing runs there yet.
        wait_until(silent, 60, "the guests fall silent")

    def remove_taps(self) -> None:
        """Remove the extra taps."""
        if self.taps:
            _batch([f"link del group {TAP_GROUP}"])
        self.taps = 0

    def keep(self, count: int) -> None:
        """End all guests but that many."""
        for guest in self.guests[count:]:
            guest.remove()
        self.guests = self.guests[:count]


def _batch(lines: Any) -> None:
    done = subprocess.run(
        [needs.program("ip", "iproute2"), "-batch", "-"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise CannotRun(f"ip -batch: {done.stderr.strip()[-400:]}")
