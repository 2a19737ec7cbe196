"""One private libvirtd for the session, and guests made to measure for each test."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.harness import needs, network
from tests.harness.events import start_event_loop
from tests.harness.guests import (
    Disk,
    Guest,
    GuestFactory,
    GuestMaker,
    Hardware,
    Nic,
    PrivateLibvirtd,
    remove_domain,
)
from tests.harness.kernel import KernelError
from tests.harness.namespace import inside, why_not
from vpcshim.hypervisor import eventloop, runkeeper

BRIDGE = "shimbr0"


@pytest.fixture(scope="session")
def event_loop() -> None:
    """libvirt's event loop turns; everything below is opened after it."""
    start_event_loop()


@pytest.fixture(scope="session")
def private_libvirtd(event_loop: None) -> Iterator[PrivateLibvirtd]:
    """A libvirtd with the QEMU driver and one libvirt network, in namespaces of its own."""
    if not inside():
        needs.missing(why_not() or "not inside the namespaces")
    if not Path("/dev/net/tun").exists():
        needs.missing("/dev/net/tun is not there, so no guest gets a tap")
    daemon = PrivateLibvirtd()
    try:
        daemon.start()
        daemon.start_network()
        yield daemon
    finally:
        daemon.close()


@pytest.fixture(scope="session")
def libvirt_network(private_libvirtd: PrivateLibvirtd) -> str:
    """The name of the libvirt network."""
    return "shimnet"


@pytest.fixture(scope="session")
def host_bridge() -> Iterator[str]:
    """A plain linux bridge on the host's side."""
    if not inside():
        needs.missing(why_not() or "not inside the namespaces")
    with network.bridge(BRIDGE) as name:
        yield name


@pytest.fixture
def connection(private_libvirtd: PrivateLibvirtd) -> Iterator[Any]:
    """A connection of the test's own."""
    opened = private_libvirtd.open()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def guest_maker(private_libvirtd: PrivateLibvirtd) -> Iterator[GuestMaker]:
    """The kernel and the initramfs all guests share."""
    with tempfile.TemporaryDirectory(prefix="vpcshim-guests-") as folder:
        try:
            maker = GuestMaker(Path(folder))
        except KernelError as error:
            needs.missing(str(error))
        yield maker
        maker.close()


@pytest.fixture
def mac() -> Callable[[], str]:
    """MAC addresses, a new one at each call, as virt tools hand them out."""
    numbers = itertools.count(1)
    return lambda: f"52:54:00:{os.getpid() & 0xFF:02x}:01:{next(numbers):02x}"


@pytest.fixture
def guest_factory(private_libvirtd: PrivateLibvirtd, guest_maker: GuestMaker) -> Iterator[GuestFactory]:
    """Makes guests and removes them after the test; what they said last is shown when the test fails."""
    own = private_libvirtd.open()
    made: list[Guest] = []

    def make(
        *,
        nics: tuple[Nic, ...] = (),
        disks: tuple[Disk, ...] = (),
        name: str = "",
        start: bool = True,
        memory_mib: int = 96,
        vcpus: int = 1,
        extra: str = "",
        devices: str = "",
    ) -> Guest:
        hardware = Hardware(nics, disks, memory_mib, vcpus, extra, devices)
        guest = guest_maker.make(own, name or f"guest{guest_maker.next_number()}", hardware)
        made.append(guest)
        if start:
            guest.start()
        return guest

    yield make

    if not private_libvirtd.running:
        private_libvirtd.start()
    private_libvirtd.thaw()
    fresh = private_libvirtd.open()
    try:
        for guest in made:
            print(f"--- console of {guest.name}\n{guest.console()}")
            guest.hang_up()
            for domain in fresh.listAllDomains():
                if domain.name() == guest.name:
                    remove_domain(domain)
    finally:
        fresh.close()
        if own.isAlive():
            own.close()


@pytest.fixture(autouse=True)
def _resets_are_heard_of_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """These guests send nothing by themselves: however late a reset is heard of, the counters are those of it."""
    monkeypatch.setattr(runkeeper, "_LATE", 60.0)
    monkeypatch.setattr(eventloop, "stalled", lambda: False)


@pytest.fixture
def quiet_errors() -> Iterator[None]:
    """libvirt's default error handler prints; for tests that expect errors."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    yield
    libvirt.registerErrorHandler(None, None)
