"""Work on undo disks that is killed at any moment: no disk is ever neither old nor new, and the next run says so.

Processes die before and after each step of each operation, and then they are killed at random, for
VPCSHIM_KILL_SECONDS (20 by itself).
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid as uuids
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

import vpcshim
from tests.guests.test_undo import VPC, content, leftovers, make_image, reads, start, undoable, write
from tests.harness.guests import Disk, GuestFactory, PrivateLibvirtd, remove_domain
from tests.harness.undo_child import DIED, begin
from vpcshim.hypervisor import imageerrors, overlays, qemuimg, undojournal, undolock
from vpcshim.hypervisor.errors import DomainBusy

ROOT = Path(__file__).parents[2]
SECONDS = float(os.environ.get("VPCSHIM_KILL_SECONDS", "20"))
NEW = b"N" * (2 << 20)
#: More steps than any operation has.
MANY = 60

pytestmark = pytest.mark.usefixtures("quiet_errors")


@pytest.fixture(autouse=True)
def shorter_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """This daemon has nothing else to do than to hear the last words of those that are killed."""
    monkeypatch.setattr(undolock, "_LAST_WORDS", 0.3)


class Children:
    """The processes that are killed."""

    def __init__(self) -> None:
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.undo_child"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, operation: str, uuid: str, *, step: int = 0, kill_after: float | None = None) -> int:
        """Run an operation in a child, and kill that after so many seconds; its exit status.

        Its qemu-img is killed along with it every other time, else it goes on by itself.
        """
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(f"{step} {uuid} {operation}\n")
        self._zygote.stdin.flush()
        child = int(self._zygote.stdout.readline())
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):  # it was quicker
                (os.kill if random.random() < 0.5 else os.killpg)(child, signal.SIGKILL)
        return int(self._zygote.stdout.readline())

    def close(self) -> None:
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.close()
        self._zygote.wait(30)
        self._zygote.stdout.close()


@pytest.fixture
def children(private_libvirtd: PrivateLibvirtd) -> Iterator[Children]:
    made = Children()
    yield made
    made.close()


class Bench:
    """A machine with a disk of each format, which is never started: what its guest writes, we write."""

    formats = ("raw", "qcow2", "vpc")

    def __init__(self, connection: Any, folder: Path) -> None:
        self.folder = folder
        self.uuid = str(uuids.uuid4())
        images = [make_image(folder, format, f"disk-{format}") for format in self.formats]
        self.images = dict(zip(("vda", "vdb", "vdc"), images, strict=True))
        self.format_of = dict(zip(images, self.formats, strict=True))
        self.kept = folder / "kept"
        self.kept.mkdir()
        for image in images:
            shutil.copy(image, self.kept)
        self.old = {target: content(image, self.format_of[image]) for target, image in self.images.items()}
        disks = "".join(
            Disk(target, image, format=self.format_of[image]).xml()  # type: ignore[arg-type]
            for target, image in self.images.items()
        )
        self.xml = (
            f"<domain type='qemu'><name>killed</name><uuid>{self.uuid}</uuid><memory unit='MiB'>32</memory>"
            f"<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{disks}</devices></domain>"
        )
        self.connection = connection
        self.domain = connection.defineXML(self.xml)

    def reset(self) -> None:
        """Everything as in the beginning."""
        self.domain = self.connection.defineXML(self.xml)
        for image in self.images.values():
            shutil.copy(self.kept / image.name, image)
        for name in leftovers(self.folder):
            (self.folder / name).unlink()

    def written(self, target: str) -> bytes:
        """What is on the disk once the guest has written."""
        return NEW + self.old[target][len(NEW) :]

    def guest_writes(self) -> None:
        for target in self.images:
            used, format = self.used(target)
            command = ["qemu-io", "-f", format, "-c", f"write -q -P {ord('N')} 0 {len(NEW)}", str(used)]
            subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)

    def used(self, target: str) -> tuple[Path, str]:
        """The image that the definition gives the disk, and its format as the definition has it."""
        from lxml import etree

        root = etree.fromstring(self.domain.XMLDesc(2))
        disk = undojournal.disk_of(root, target)
        assert disk is not None
        source, driver = undojournal.source_of(disk), disk.find("driver")
        assert source is not None
        assert driver is not None
        return Path(source), driver.get("type") or "raw"

    def disks(self) -> dict[str, bytes]:
        """What the guest would find on each disk, were it started now."""
        return {target: content(*self.used(target)) for target in self.images}

    def check(self, *allowed: dict[str, bytes]) -> None:
        """The machine is whole, its disks are all as in one of the allowed ways, and no file is left over."""
        assert self.disks() in allowed
        over = {str(path) for path in overlays.undo_disks(self.domain).values()}
        assert over == {str(self.folder / name) for name in leftovers(self.folder)}
        assert {str(self.used(target)[0]) for target in self.images} == (
            over or {str(image) for image in self.images.values()}
        )
        journal = undojournal.read(self.domain)
        assert journal is None or not journal.unfinished

    @property
    def all_old(self) -> dict[str, bytes]:
        return self.old

    @property
    def all_new(self) -> dict[str, bytes]:
        return {target: self.written(target) for target in self.images}


@pytest.fixture
def bench(private_libvirtd: PrivateLibvirtd, tmp_path: Path) -> Iterator[Bench]:
    connection = private_libvirtd.open()
    made = Bench(connection, tmp_path)
    yield made
    remove_domain(made.domain)
    connection.close()


def recovered(bench: Bench, caplog: pytest.LogCaptureFixture) -> bool:
    """Let the next run find what is left; whether there was anything, which it says."""
    journal = undojournal.read(bench.domain)
    left = journal is not None and journal.unfinished
    caplog.clear()
    with caplog.at_level(logging.WARNING, "vpcshim"):
        overlays.recover(bench.domain)
    found = "interrupted" in caplog.text
    assert found or not left  # the daemon may have heard the last words of the dead since
    return found


@pytest.mark.parametrize("operation", ["begin", "merge", "discard"])
def test_dying_at_each_step(
    bench: Bench, children: Children, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = 0
    for step in range(1, MANY):
        bench.reset()
        if operation != "begin":
            begin(bench.domain)
            bench.guest_writes()
        status = children.run(operation, bench.uuid, step=step)
        assert status in (0, DIED)
        if status == 0:
            break
        allowed = {"begin": [bench.all_old], "merge": [bench.all_new], "discard": [bench.all_old, bench.all_new]}
        assert bench.disks() in allowed[operation], "also before anybody has looked"
        found += recovered(bench, caplog)
        bench.check(*allowed[operation])
        if operation == "begin":
            for image in bench.images.values():
                assert image.read_bytes() == (bench.kept / image.name).read_bytes()
        # And it can be done again, or goes on.
        begin(bench.domain)
        overlays.discard(bench.domain)
        bench.check(bench.all_old if operation != "merge" else bench.disks())
    else:
        pytest.fail(f"{operation} has more than {MANY} steps")
    assert step > 6
    assert found > 3


def test_killed_at_random(
    bench: Bench, children: Children, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undolock, "_LAST_WORDS", 1.0)  # here one may be killed in the midst of a call
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    longest = {"begin": 0.4, "merge": 0.5, "discard": 0.2}
    found = rounds = killed = 0
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline or rounds < 20:  # of few, none may have been killed at its work
        rounds += 1
        operation = chance.choice(list(longest))
        bench.reset()
        if operation != "begin":
            begin(bench.domain)
            bench.guest_writes()
        began = time.monotonic()
        status = children.run(operation, bench.uuid, kill_after=chance.uniform(0, longest[operation]))
        if status == 0:
            longest[operation] = min(longest[operation], time.monotonic() - began)
        else:
            assert status == -signal.SIGKILL
            killed += 1
        allowed = {"begin": [bench.all_old], "merge": [bench.all_new], "discard": [bench.all_old, bench.all_new]}
        found += recovered(bench, caplog)
        bench.check(*allowed[operation])
    print(f"{rounds} rounds, {killed} killed, {found} of them with something to be completed or taken back")
    assert killed > rounds / 4
    assert found > 0


def test_a_merge_of_a_saved_machine_that_dies_at_each_step(
    guest_factory: GuestFactory, children: Children, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = make_image(tmp_path, "raw")
    guest = guest_factory(disks=(Disk("vda", image),), start=False)
    vm = undoable(guest, VPC, vpcshim.constants.vmUndoAction_Keep)
    start(vm, guest)
    write(guest)
    boot = guest.boot_id
    guest.hang_up()
    vm.Save().WaitForCompletion(-1)
    domain = guest.domain
    overlay = overlays.undo_disks(domain)["vda"]
    new = content(overlay, "qcow2")
    secure = libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE
    definition, saved = domain.XMLDesc(2), domain.managedSaveGetXMLDesc(secure)
    kept = tmp_path / "kept"
    kept.mkdir()
    for path in (image, overlay):
        shutil.copy(path, kept)
    switching = 0
    for step in range(1, MANY):
        for path in (image, overlay):
            shutil.copy(kept / path.name, path)
        domain.connect().defineXML(definition)
        domain.managedSaveDefineXML(saved)
        status = children.run("merge", domain.UUIDString(), step=step)
        assert status in (0, DIED)
        journal = undojournal.read(domain)
        switching += journal is not None and journal.phase is undojournal.Phase.SWITCHING
        for text in (domain.XMLDesc(2), domain.managedSaveGetXMLDesc(secure)):
            used = overlay if f"<source file='{overlay}'" in text else image
            assert content(used, "qcow2" if used == overlay else "raw") == new
        caplog.clear()
        with caplog.at_level(logging.WARNING, "vpcshim"):
            overlays.recover(domain)
        assert "interrupted" in caplog.text or journal is None or not journal.unfinished
        in_definition, in_state = (
            str(overlay) in text.split("<devices>")[1]
            for text in (domain.XMLDesc(2), domain.managedSaveGetXMLDesc(secure))
        )
        assert in_definition is in_state is bool(leftovers(tmp_path))
        if status == 0:
            break
    assert switching >= 3
    start(vm, guest)
    assert guest.boot_id == boot
    assert reads(guest) == "Z" * 12


def test_what_ran_on_after_an_interrupted_merge_is_not_lost(bench: Bench) -> None:
    """Merged, and killed before its saved state was led back; the machine then ran on its overlays."""
    begin(bench.domain)
    journal = undojournal.read(bench.domain)
    assert journal is not None
    stamps = {disk.target: "as it was when it was merged" for disk in journal.disks}
    from dataclasses import replace

    from vpcshim.hypervisor.redefine import redefine

    switching = replace(journal.stamped(stamps), phase=undojournal.Phase.SWITCHING)
    redefine(bench.domain, lambda root: undojournal.write(root, switching))
    bench.guest_writes()
    overlays.recover(bench.domain)
    bench.check(bench.all_new)
    assert len(overlays.undo_disks(bench.domain)) == 3


def test_the_last_words_of_one_that_was_killed_are_waited_for(
    bench: Bench, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undolock, "_LAST_WORDS", 3.0)
    begin(bench.domain)
    assert children.run("discard", bench.uuid, step=1) == DIED
    took = []
    for _ in range(4):  # a busy machine may make one of them slow
        began = time.monotonic()
        overlays.recover(bench.domain)
        took.append(time.monotonic() - began)
    assert took[0] >= 3
    assert min(took[1:]) < 3, "there are none any more"


def test_one_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undolock, "_PATIENCE", 0.2)
    begin(bench.domain)
    with undolock.exclusive(bench.domain), pytest.raises(DomainBusy, match="another task"):
        overlays.discard(bench.domain)
    overlays.discard(bench.domain)
    bench.check(bench.all_old)


def test_an_image_that_is_in_use_is_not_merged_into(bench: Bench, guest_factory: GuestFactory) -> None:
    begin(bench.domain)
    bench.guest_writes()
    other = guest_factory(disks=(Disk("vda", bench.images["vda"]),))
    with pytest.raises(imageerrors.ImageBusy, match="lock"):
        overlays.merge(bench.domain, qemuimg.Job())
    other.remove()
    assert bench.disks() == bench.all_new
    overlays.recover(bench.domain)
    bench.check(bench.all_new)
    assert leftovers(bench.folder) == []
