"""Undo disks under real QEMU guests: what a guest writes goes to overlays, and from there where it was told to."""

from __future__ import annotations

import gc
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

import vpcshim
from tests.harness import needs
from tests.harness.guests import Disk, Guest, GuestFactory, PrivateLibvirtd, remove_domain
from tests.harness.undo_child import begin
from tests.harness.waiting import wait_until
from vpcshim import HRESULT, ComError, constants
from vpcshim.hypervisor import imageerrors, overlays, qemuimg, undolock, undoplan
from vpcshim.hypervisor import redefine as redefining
from vpcshim.hypervisor.errors import DomainOff, Unsupported
from vpcshim.hypervisor.events import Event, Kind
from vpcshim.model import undoing
from vpcshim.model.virtual_machine import VirtualMachine

URI = PrivateLibvirtd.uri
VS, VPC = "VirtualServer.Application", "VirtualPC.Application"
SIZE = 16 << 20
WRITTEN = b"Z" * (4 << 20)
FORMATS = ("raw", "qcow2", "vpc")


@pytest.fixture(autouse=True)
def _alone() -> None:
    """Applications of earlier tests that nobody holds are gone: they deal with undo disks as well."""
    gc.collect()


def make_image(folder: Path, format: str, name: str = "disk") -> Path:
    """An image whose disk holds a known text all over."""
    raw = folder / f"{name}.source"
    raw.write_bytes((b"the original " * (SIZE // 13 + 1))[:SIZE])
    path = folder / f"{name}.{'vhd' if format == 'vpc' else format}"
    subprocess.run(["qemu-img", "convert", "-q", "-f", "raw", "-O", format, raw, path], check=True, timeout=60)
    raw.unlink()
    return path


def content(path: Path, format: str) -> bytes:
    """The disk that an image holds, with all of its backing files."""
    raw = path.with_suffix(".content")
    subprocess.run(["qemu-img", "convert", "-U", "-f", format, "-O", "raw", path, raw], check=True, timeout=60)
    try:
        return raw.read_bytes()
    finally:
        raw.unlink()


def machine(guest: Guest, product: str) -> VirtualMachine:
    found = vpcshim.CreateObject(product, URI).FindVirtualMachine(guest.name)
    assert isinstance(found, VirtualMachine)
    return found


def undoable(guest: Guest, product: str, action: int) -> VirtualMachine:
    vm = machine(guest, product)
    vm.Undoable = True
    vm.UndoAction = action
    return vm


def start(vm: VirtualMachine, guest: Guest) -> None:
    vm.Startup().WaitForCompletion(-1)
    guest.wait_ready()


def turn_off(vm: VirtualMachine, guest: Guest) -> None:
    guest.hang_up()
    task = vm.TurnOff()
    task.WaitForCompletion(-1)
    assert task.Error == 0, task.ErrorDescription


def write(guest: Guest, character: str = "Z") -> None:
    guest.check(
        f"tr '\\0' {character} < /dev/zero | dd of=/dev/vda bs=64k count=64 iflag=fullblock conv=fsync 2>&1", 60
    )


def reads(guest: Guest) -> str:
    """The first bytes of the guest's disk, past its cache."""
    return guest.check("dd if=/dev/vda bs=4k count=1 iflag=direct 2>/dev/null | head -c 12")


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".undo" in path.name)


def sources(guest: Guest) -> list[str]:
    from lxml import etree

    return [str(found) for found in etree.fromstring(guest.domain.XMLDesc(2)).xpath("//disk/source/@file")]


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_discarded_leaves_the_original_bit_identical(
    guest_factory: GuestFactory, tmp_path: Path, format: str
) -> None:
    image = make_image(tmp_path, format)
    before = image.read_bytes()
    guest = guest_factory(disks=(Disk("vda", image, format=format),), start=False)  # type: ignore[arg-type]
    definition = guest.domain.XMLDesc(2)
    vm = undoable(guest, VPC, constants.vmUndoAction_Discard)
    assert (vm.Undoable, vm.UndoAction) == (True, constants.vmUndoAction_Discard)
    assert leftovers(tmp_path) == []
    start(vm, guest)
    write(guest)
    assert reads(guest) == "Z" * 12
    assert len(leftovers(tmp_path)) == 1
    with pytest.raises(ComError, match="E_FAIL"):
        vm.Save()
    for refused in (vm.MergeUndoDisks, vm.DiscardUndoDisks):
        with pytest.raises(ComError, match="VM_E_VM_RUNNING"):
            refused()
    turn_off(vm, guest)
    assert image.read_bytes() == before
    assert leftovers(tmp_path) == []
    start(vm, guest)
    assert reads(guest) == "the original"
    turn_off(vm, guest)
    vm.Undoable = False
    assert sources(guest) == [str(image)]
    assert definition.split("<devices>")[1] == guest.domain.XMLDesc(2).split("<devices>")[1]


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_kept_goes_on_and_is_merged(guest_factory: GuestFactory, tmp_path: Path, format: str) -> None:
    image = make_image(tmp_path, format)
    before = image.read_bytes()
    was = content(image, format)
    guest = guest_factory(disks=(Disk("vda", image, format=format),), start=False)  # type: ignore[arg-type]
    vm = undoable(guest, VS, constants.vmUndoAction_Discard)  # of no meaning to TurnOff with Virtual Server
    start(vm, guest)
    write(guest)
    turn_off(vm, guest)
    kept = leftovers(tmp_path)
    assert len(kept) == 1
    assert overlays.undo_disks(guest.domain) == {"vda": tmp_path / kept[0]}
    start(vm, guest)
    assert leftovers(tmp_path) == kept
    assert reads(guest) == "Z" * 12
    turn_off(vm, guest)
    assert image.read_bytes() == before
    task = vm.MergeUndoDisks()
    assert not task.IsCancelable
    task.WaitForCompletion(-1)
    assert (task.Error, task.PercentCompleted) == (0, 100), task.ErrorDescription
    assert content(image, format) == WRITTEN + was[len(WRITTEN) :]
    assert leftovers(tmp_path) == []
    assert sources(guest) == [str(image)]
    start(vm, guest)
    assert reads(guest) == "Z" * 12
    assert len(leftovers(tmp_path)) == 1, "it is still undoable"


@pytest.mark.parametrize("product", [VS, VPC])
@pytest.mark.parametrize("action", ["Discard", "Keep", "Commit"])
def test_a_guest_that_shuts_down_is_dealt_with_at_once(
    guest_factory: GuestFactory, tmp_path: Path, product: str, action: str
) -> None:
    image = make_image(tmp_path, "raw")
    before = image.read_bytes()
    guest = guest_factory(disks=(Disk("vda", image),), start=False)
    vm = undoable(guest, product, getattr(constants, f"vmUndoAction_{action}"))
    start(vm, guest)
    write(guest)
    guest.send("poweroff -f")
    wait_until(lambda: vm.State == constants.vmVMState_TurnedOff, 30, "the guest shuts down")
    guest.hang_up()
    if action == "Keep":
        wait_until(lambda: 'pending="yes"' not in guest.domain.XMLDesc(2), 10, "the end of the run is noted")
        assert len(leftovers(tmp_path)) == 1
        assert image.read_bytes() == before
        vm.DiscardUndoDisks()
        assert image.read_bytes() == before
    else:
        wait_until(lambda: not leftovers(tmp_path), 20, "the undo disks go")
        assert image.read_bytes() == (before if action == "Discard" else WRITTEN + before[len(WRITTEN) :])
    assert sources(guest) == [str(image)]


@pytest.mark.parametrize("action", ["Discard", "Commit"])
def test_a_guest_that_shut_down_unheard_is_dealt_with_at_the_next_start(
    guest_factory: GuestFactory,
    tmp_path: Path,
    action: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Applications of earlier tests may be there still, and hear of everything.
    monkeypatch.setattr(undoing, "_SHUT_DOWN", None)
    image = make_image(tmp_path, "raw")
    guest = guest_factory(disks=(Disk("vda", image),), start=False)
    script = f"""
import vpcshim
vm = vpcshim.CreateObject({VS!r}, {URI!r}).FindVirtualMachine({guest.name!r})
vm.Undoable = True
vm.UndoAction = vpcshim.constants.vmUndoAction_{action}
vm.Startup().WaitForCompletion(-1)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    guest.wait_ready()
    write(guest)
    guest.send("poweroff -f")
    wait_until(lambda: not guest.domain.isActive(), 30, "the guest shuts down")
    guest.hang_up()
    old = leftovers(tmp_path)
    assert len(old) == 1
    vm = machine(guest, VS)
    with caplog.at_level(logging.WARNING, "vpcshim"):
        start(vm, guest)
    assert f"vmUndoAction_{action} is done now" in caplog.text
    assert reads(guest) == ("the original" if action == "Discard" else "Z" * 12)
    assert image.read_bytes()[:12] == (b"the original" if action == "Discard" else b"Z" * 12)
    assert len(leftovers(tmp_path)) == 1
    assert leftovers(tmp_path) != old


def test_a_saved_machine_keeps_its_state_over_a_merge(guest_factory: GuestFactory, tmp_path: Path) -> None:
    image = make_image(tmp_path, "qcow2")
    guest = guest_factory(disks=(Disk("vda", image, format="qcow2"),), start=False)
    vm = undoable(guest, VPC, constants.vmUndoAction_Keep)
    start(vm, guest)
    write(guest)
    boot = guest.boot_id
    guest.hang_up()
    vm.Save().WaitForCompletion(-1)
    assert vm.State == constants.vmVMState_Saved
    with pytest.raises(ComError, match="VM_E_VM_RUNNING_OR_SAVED"):
        vm.DiscardUndoDisks()
    with pytest.raises(ComError, match="VM_E_PREF_VM_ACTIVE"):
        vm.Undoable = False
    task = vm.MergeUndoDisks()
    task.WaitForCompletion(-1)
    assert task.Error == 0, task.ErrorDescription
    assert vm.State == constants.vmVMState_Saved
    assert leftovers(tmp_path) == []
    assert content(image, "qcow2")[: len(WRITTEN)] == WRITTEN
    start(vm, guest)
    assert guest.boot_id == boot, "restored, not booted"
    assert reads(guest) == "Z" * 12
    write(guest, "Y")
    turn_off(vm, guest)
    assert content(image, "qcow2")[:1] == b"Y"


def test_no_longer_undoable_deletes_what_there_is(guest_factory: GuestFactory, tmp_path: Path) -> None:
    image, other = make_image(tmp_path, "vpc"), make_image(tmp_path, "raw", "other")
    before = image.read_bytes(), other.read_bytes()
    disks = (
        Disk("vda", image, format="vpc"),
        Disk("vdb", other),
        Disk("vdc", make_image(tmp_path, "raw", "ro"), readonly=True),
    )
    guest = guest_factory(disks=disks, start=False)
    vm = undoable(guest, VS, constants.vmUndoAction_Keep)
    start(vm, guest)
    write(guest)
    out = vpcshim.Variant()
    assert vm.put_Undoable(False) is HRESULT.DISP_E_EXCEPTION  # running; its page lists no code for that
    assert vm.get_Undoable(out) is HRESULT.S_OK
    assert out.value is True
    assert len(leftovers(tmp_path)) == 2, "none for the disk that cannot be written"
    turn_off(vm, guest)
    vm.Undoable = False
    assert leftovers(tmp_path) == []
    assert (image.read_bytes(), other.read_bytes()) == before
    start(vm, guest)
    assert leftovers(tmp_path) == []


# -- images, and what can have no overlay ------------------------------------------------------------------------


def defined(connection: Any, disks: str) -> Any:
    """A machine that is never started, with those disks."""
    return connection.defineXML(
        "<domain type='qemu'><name>undoing</name><memory unit='MiB'>32</memory>"
        f"<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{disks}</devices></domain>"
    )


@pytest.fixture
def define(connection: Any) -> Iterator[Callable[[str], Any]]:
    made = []

    def make(disks: str) -> Any:
        made.append(defined(connection, disks))
        return made[-1]

    yield make
    for domain in made:
        remove_domain(domain)


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        ("<disk type='file'><source file='{image}'/>{target}<shareable/></disk>", "is shared with other machines"),
        (
            "<disk type='block' device='lun'><source dev='/dev/sdz'/><target dev='sda' bus='scsi'/></disk>",
            "hands the host's device through",
        ),
        (
            "<disk type='network'><source protocol='nbd' name='x'><host name='::1'/></source>{target}</disk>",
            "is of type network",
        ),
        (
            "<disk type='file'><driver name='qemu' type='raw'/><source file='{image}'><encryption format='luks'>"
            "<secret type='passphrase' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/></encryption></source>"
            "{target}</disk>",
            "is encrypted",
        ),
        (
            "<disk type='file'><source file='{image}'><slices>"
            "<slice type='storage' offset='0' size='4096'/></slices>"
            "</source>{target}</disk>",
            "is a slice",
        ),
    ],
)
@pytest.mark.usefixtures("quiet_errors")
def test_what_can_have_no_overlay_is_refused(
    define: Callable[[str], Any], tmp_path: Path, xml: str, why: str
) -> None:
    image = make_image(tmp_path, "raw")
    target = "<target dev='vda' bus='virtio'/>"
    domain = define(xml.format(image=image, target=target) + Disk("vdb", make_image(tmp_path, "raw", "b")).xml())
    before = domain.XMLDesc(2)
    vm = vpcshim.CreateObject(VPC, URI).FindVirtualMachine("undoing")
    with pytest.raises(ComError, match=rf"undoing cannot have undo disks: its drive [vs]da {why}"):
        vm.Undoable = True
    with pytest.raises(Unsupported, match=why):
        begin(domain)
    assert domain.XMLDesc(2) == before
    assert leftovers(tmp_path) == []


def test_a_machine_with_snapshots_is_refused(define: Callable[[str], Any], tmp_path: Path) -> None:
    domain = define(Disk("vda", make_image(tmp_path, "qcow2"), format="qcow2").xml())
    snapshot = domain.snapshotCreateXML("<domainsnapshot><name>before</name></domainsnapshot>")
    vm = vpcshim.CreateObject(VPC, URI).FindVirtualMachine("undoing")
    with pytest.raises(ComError, match="has snapshots of libvirt's"):
        vm.Undoable = True
    snapshot.delete()
    vm.Undoable = True


def test_snapshots_of_undo_disks_keep_them(define: Callable[[str], Any], tmp_path: Path) -> None:
    domain = define(Disk("vda", make_image(tmp_path, "raw")).xml())
    begin(domain)
    snapshot = domain.snapshotCreateXML("<domainsnapshot><name>inside</name></domainsnapshot>")
    before = domain.XMLDesc(2)
    for operation in (overlays.discard, lambda domain: overlays.merge(domain, qemuimg.Job())):
        with pytest.raises(Unsupported, match="needs the undo disks: delete them first"):
            operation(domain)
    assert domain.XMLDesc(2) == before
    snapshot.delete()
    overlays.discard(domain)
    assert leftovers(tmp_path) == []


def test_an_undo_disk_that_something_lies_over_is_not_taken_away(
    define: Callable[[str], Any], connection: Any, tmp_path: Path
) -> None:
    """As a snapshot in a file of its own leaves it, of which libvirt keeps no record."""
    image, upper, top = make_image(tmp_path, "raw"), tmp_path / "upper.qcow2", tmp_path / "top.qcow2"
    domain = define(Disk("vda", image).xml())
    begin(domain)
    overlay = overlays.undo_disks(domain)["vda"]
    qemuimg.create(upper, format="qcow2", backing=overlay, backing_format="qcow2")
    qemuimg.create(top, format="qcow2", backing=upper, backing_format="qcow2")
    connection.defineXML(domain.XMLDesc(2).replace(f"<source file='{overlay}'", f"<source file='{top}'"))
    before = domain.XMLDesc(2)
    for operation in (overlays.discard, lambda domain: overlays.merge(domain, qemuimg.Job())):
        with pytest.raises(Unsupported, match="which lies over its undo disk"):
            operation(domain)
    assert domain.XMLDesc(2) == before
    assert overlay.exists()


def test_what_needs_no_overlay_has_none(define: Callable[[str], Any], tmp_path: Path) -> None:
    image = make_image(tmp_path, "raw")
    domain = define(
        Disk("vda", image, readonly=True).xml()
        + Disk("hdc", image, device="cdrom").xml()
        + Disk("fda", device="floppy").xml()
        + f"<disk type='file'><source file='{image}'/><target dev='vdb'/><transient/></disk>"
    )
    begin(domain)
    assert overlays.undo_disks(domain) == {}
    assert leftovers(tmp_path) == []


def test_an_overlay_belongs_to_whom_the_image_belongs(define: Callable[[str], Any], tmp_path: Path) -> None:
    image = make_image(tmp_path, "raw")
    os.chown(image, 1234, 4321)
    image.chmod(0o460)
    domain = define(Disk("vda", image).xml())
    begin(domain)
    found = overlays.undo_disks(domain)["vda"].stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 4321, 0o660)
    assert overlays.originals(domain) == {"vda": image}


def test_an_image_that_cannot_have_an_overlay_leaves_everything_as_it_was(
    define: Callable[[str], Any], tmp_path: Path
) -> None:
    image, other = make_image(tmp_path, "raw"), make_image(tmp_path, "raw", "other")
    domain = define(Disk("vda", image).xml() + Disk("vdb", other).xml())
    before = domain.XMLDesc(2)
    other.unlink()
    with pytest.raises(imageerrors.ImageMissing, match=r"other\.raw"):
        begin(domain)
    assert domain.XMLDesc(2) == before
    assert leftovers(tmp_path) == []


def test_a_block_device_lies_below_an_overlay_among_libvirts_images(
    define: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.program("losetup", "mount")
    image = make_image(tmp_path, "raw")
    made = subprocess.run(["losetup", "--show", "-f", image], capture_output=True, text=True, timeout=30)
    if made.returncode != 0:
        needs.missing(f"no loop device: {made.stderr.strip()}")
    device = made.stdout.strip()
    try:
        folder = tmp_path / "images"
        folder.mkdir()
        monkeypatch.setattr(undoplan, "_FOR_DEVICES", folder)
        target = "<target dev='vda' bus='virtio'/>"
        domain = define(f"<disk type='block'><driver name='qemu'/><source dev='{device}'/>{target}</disk>")
        before = domain.XMLDesc(2)
        begin(domain)
        overlay = overlays.undo_disks(domain)["vda"]
        assert overlay.parent == folder
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 90 0 4M", overlay], check=True, timeout=60)
        overlays.merge(domain, qemuimg.Job())
        assert domain.XMLDesc(2) == before
        assert leftovers(folder) == []
    finally:
        subprocess.run(["losetup", "-d", device], check=True, timeout=30)
    assert image.read_bytes()[: len(WRITTEN)] == WRITTEN


def test_a_volume_is_found_in_its_pool_and_stays_one(
    define: Callable[[str], Any], connection: Any, tmp_path: Path
) -> None:
    image = make_image(tmp_path, "raw")
    pool = connection.storagePoolCreateXML(
        f"<pool type='dir'><name>undoing</name><target><path>{tmp_path}</path></target></pool>"
    )
    try:
        target = "<target dev='vda' bus='virtio'/>"
        source = f"<source pool='undoing' volume='{image.name}'/>"
        domain = define(f"<disk type='volume'><driver name='qemu' type='raw'/>{source}{target}</disk>")
        before = domain.XMLDesc(2)
        begin(domain)
        assert overlays.originals(domain) == {"vda": image}
        overlays.discard(domain)
        assert domain.XMLDesc(2) == before
    finally:
        pool.destroy()


def test_a_merge_that_cannot_end_is_not_begun(define: Callable[[str], Any], tmp_path: Path) -> None:
    image = make_image(tmp_path, "raw")
    domain = define(Disk("vda", image).xml())
    vm = vpcshim.CreateObject(VPC, URI).FindVirtualMachine("undoing")
    begin(domain)
    before = domain.XMLDesc(2)
    image.chmod(0o444)
    with pytest.raises(ComError, match="is read-only") as caught:
        vm.MergeUndoDisks()
    assert caught.value.scode == HRESULT.VM_E_FILE_READ_ONLY
    image.chmod(0o644)
    overlays.undo_disks(domain)["vda"].unlink()
    with pytest.raises(ComError, match="DiscardUndoDisks goes back to the original") as caught:
        vm.MergeUndoDisks()
    assert caught.value.scode == HRESULT.E_PATH_NOT_FOUND
    assert domain.XMLDesc(2) == before
    vm.DiscardUndoDisks()
    assert overlays.undo_disks(domain) == {}
    assert str(image) in domain.XMLDesc(2)


def test_a_merge_shows_how_far_it_is(define: Callable[[str], Any], tmp_path: Path) -> None:
    images = [make_image(tmp_path, "raw", name) for name in ("a", "b")]
    domain = define("".join(Disk(f"vd{image.stem}", image).xml() for image in images))
    begin(domain)
    for path in overlays.undo_disks(domain).values():
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 90 0 16M", path], check=True, timeout=60)
    told: list[float] = []
    overlays.merge(domain, qemuimg.Job(told.append))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(100)
    # Nearly half: how many blocks a file has taken is the file system's to say, and to say later.
    assert any(45 < percent < 55 for percent in told), "the first of two of a size is merged"


def test_an_image_that_somebody_else_put_in_stays(
    define: Callable[[str], Any], connection: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image, other = make_image(tmp_path, "raw"), make_image(tmp_path, "raw", "other")
    domain = define(Disk("vda", image).xml())
    begin(domain)
    overlay = str(overlays.undo_disks(domain)["vda"])
    text = domain.XMLDesc(2)
    source = f"<source file='{overlay}'"
    assert source in text
    connection.defineXML(text.replace(source, f"<source file='{other}'"))
    overlays.discard(domain)
    assert "drive vda is another now, and stays" in caplog.text
    assert f"<source file='{other}'" in domain.XMLDesc(2)
    assert leftovers(tmp_path) == []


def written_over(domain: Any, connection: Any, image: Path, text: str) -> Path:
    """The overlay of vda, after somebody else (`virsh blockcommit`) led the disk back and its guest went on."""
    overlay = overlays.undo_disks(domain)["vda"]
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 90 0 64k", overlay], check=True, timeout=60)
    connection.defineXML(domain.XMLDesc(2).replace(f"<source file='{overlay}'", f"<source file='{image}'"))
    connection.defineXML(domain.XMLDesc(2).replace("type='qcow2'", "type='raw'"))
    with image.open("r+b") as file:
        file.write(text.encode())
    return overlay


def test_what_others_merged_is_not_merged_again_over_what_was_written_since(
    define: Callable[[str], Any], connection: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = make_image(tmp_path, "raw")
    domain = define(Disk("vda", image).xml())
    begin(domain)
    overlay = written_over(domain, connection, image, "newer than the overlay")
    overlays.merge(domain, qemuimg.Job())
    assert image.read_bytes().startswith(b"newer than the overlay")
    assert overlay.exists(), "nobody asked for it to be deleted"
    assert f"undo disk {overlay} was not what it used" in caplog.text
    assert overlays.undo_disks(domain) == {}


def test_what_libvirt_itself_merged_while_the_guest_ran_is_the_disk(
    guest_factory: GuestFactory, tmp_path: Path
) -> None:
    image = make_image(tmp_path, "raw")
    guest = guest_factory(disks=(Disk("vda", image),), start=False)
    vm = undoable(guest, VPC, constants.vmUndoAction_Commit)
    start(vm, guest)
    write(guest)
    flags = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
    guest.domain.blockCommit("vda", str(image), None, 0, flags)
    wait_until(lambda: "<ready/>" in guest.domain.XMLDesc() or "ready='yes'" in guest.domain.XMLDesc(), 30, "ready")
    guest.domain.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    write(guest, "Y")
    turn_off(vm, guest)
    assert sources(guest) == [str(image)]
    assert image.read_bytes()[: len(WRITTEN)] == b"Y" * len(WRITTEN)
    start(vm, guest)
    assert len(overlays.undo_disks(guest.domain)) == 1, "it is undoable again"
    assert sources(guest) != [str(image)]


def test_a_merge_without_room_is_completed_once_there_is_some(
    define: Callable[[str], Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small], check=True, timeout=60)
    try:
        image = small / "thin.raw"
        with image.open("wb") as file:
            file.truncate(SIZE)
        domain = define(Disk("vda", image).xml())
        begin(domain)
        overlay = overlays.undo_disks(domain)["vda"]
        command = "write -q -P 90 0 3M"
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, overlay], check=True, timeout=60)
        (small / "fill").write_bytes(bytes(4 << 20))
        for _ in range(2):
            with pytest.raises(imageerrors.DiskFull):
                overlays.merge(domain, qemuimg.Job())
            with pytest.raises(imageerrors.DiskFull):
                overlays.discard(domain)  # half of it is in the original: it is completed first
        check = subprocess.run(
            ["qemu-io", "-rf", "qcow2", "-c", "read -P 90 0 3M", overlay], capture_output=True, check=True
        )
        assert b"failed" not in check.stdout, "seen through the undo disk the disk is whole"
        (small / "fill").unlink()
        overlays.merge(domain, qemuimg.Job())
        assert "it is completed now" in caplog.text
        assert image.read_bytes()[: 3 << 20] == b"Z" * (3 << 20)
        assert leftovers(small) == []
    finally:
        subprocess.run(["umount", "-l", small], check=True, timeout=60)


def test_a_disk_that_lost_its_undo_disk_gets_another(
    define: Callable[[str], Any], connection: Any, tmp_path: Path
) -> None:
    image = make_image(tmp_path, "raw")
    domain = define(Disk("vda", image).xml())
    begin(domain)
    old = written_over(domain, connection, image, "newer")
    begin(domain)
    new = overlays.undo_disks(domain)["vda"]
    assert new != old
    assert f"<source file='{new}'" in domain.XMLDesc(2)


def test_a_merge_of_a_rebased_overlay_is_not_begun(define: Callable[[str], Any], tmp_path: Path) -> None:
    image, other = make_image(tmp_path, "raw"), make_image(tmp_path, "raw", "other")
    domain = define(Disk("vda", image).xml())
    begin(domain)
    overlay = overlays.undo_disks(domain)["vda"]
    before = domain.XMLDesc(2), other.read_bytes()
    for backing, form in ((other, "raw"), (None, None)):
        qemuimg.rebase(overlay, backing, form)
        with pytest.raises(imageerrors.ImageError, match=r"lies over .* now, not over"):
            overlays.merge(domain, qemuimg.Job())
        assert (domain.XMLDesc(2), other.read_bytes()) == before
    overlays.discard(domain)
    assert f"<source file='{image}'" in domain.XMLDesc(2)


def test_a_disk_with_another_target_is_led_back_as_well(
    define: Callable[[str], Any], connection: Any, tmp_path: Path
) -> None:
    image = make_image(tmp_path, "raw")
    domain = define(Disk("vda", image).xml())
    begin(domain)
    connection.defineXML(domain.XMLDesc(2).replace("dev='vda'", "dev='vdc'"))
    overlays.discard(domain)
    assert leftovers(tmp_path) == []
    assert f"<source file='{image}'" in domain.XMLDesc(2)


def test_what_a_guest_wrote_into_a_raw_image_is_not_taken_for_its_header(
    define: Callable[[str], Any], connection: Any, tmp_path: Path
) -> None:
    image, posing = make_image(tmp_path, "raw"), tmp_path / "posing.raw"
    domain = define(Disk("vda", image).xml())
    begin(domain)
    overlay = overlays.undo_disks(domain)["vda"]
    qemuimg.create(posing, format="qcow2", backing=overlay, backing_format="qcow2")
    more = Disk("vdb", posing).xml()
    connection.defineXML(domain.XMLDesc(2).replace("</devices>", f"{more}</devices>"))
    overlays.discard(domain)
    assert leftovers(tmp_path) == []


def test_a_link_in_the_place_of_an_overlay_gives_nothing_away(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    os.symlink(secret, tmp_path / "link")
    os.link(secret, tmp_path / "second")
    for name in ("link", "second"):
        with pytest.raises(OSError, match=r"symbolic|something else"):
            qemuimg.hand_over(tmp_path / name, 1234, 4321, 0o666)
    found = secret.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (os.geteuid(), 0o600)


def test_a_new_disk_gets_an_overlay_beside_those_that_are_kept(
    define: Callable[[str], Any], connection: Any, tmp_path: Path
) -> None:
    image, added = make_image(tmp_path, "raw"), make_image(tmp_path, "vpc", "added")
    domain = define(Disk("vda", image).xml())
    begin(domain)
    first = overlays.undo_disks(domain)
    more = Disk("vdb", added, format="vpc").xml()
    connection.defineXML(domain.XMLDesc(2).replace("</devices>", f"{more}</devices>"))
    begin(domain)
    both = overlays.undo_disks(domain)
    assert both["vda"] == first["vda"]
    assert set(both) == {"vda", "vdb"}
    overlays.discard(domain)
    assert overlays.undo_disks(domain) == {}
    assert str(added) in domain.XMLDesc(2)


def test_a_machine_that_is_deleted_takes_its_undo_disks_along(guest_factory: GuestFactory, tmp_path: Path) -> None:
    image = make_image(tmp_path, "raw")
    before = image.read_bytes()
    guest = guest_factory(disks=(Disk("vda", image),), start=False)
    begin(guest.domain)
    assert len(leftovers(tmp_path)) == 1
    app = vpcshim.CreateObject(VS, URI)
    app.DeleteVirtualMachine(app.FindVirtualMachine(guest.name))
    assert leftovers(tmp_path) == []
    assert image.read_bytes() == before


def test_a_machine_that_libvirt_does_not_forget_keeps_its_undo_disks(
    guest_factory: GuestFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = guest_factory(disks=(Disk("vda", make_image(tmp_path, "raw")),), start=False)
    begin(guest.domain)
    before = leftovers(tmp_path), guest.domain.XMLDesc(2)

    def refuse(*_: object) -> None:
        raise libvirt.libvirtError("not today")

    app = vpcshim.CreateObject(VS, URI)
    with monkeypatch.context() as patched:
        patched.setattr(libvirt.virDomain, "undefineFlags", refuse)
        with pytest.raises(ComError):
            app.DeleteVirtualMachine(app.FindVirtualMachine(guest.name))
    assert (leftovers(tmp_path), guest.domain.XMLDesc(2)) == before
    app.DeleteVirtualMachine(app.FindVirtualMachine(guest.name))
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("operation", ["discard", "merge"])
def test_what_somebody_starts_on_undo_disks_that_are_about_to_go_keeps_them(
    guest_factory: GuestFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """As by `virsh start` in the moment between the merge and the end of the overlays."""
    guest = guest_factory(disks=(Disk("vda", make_image(tmp_path, "raw")),), start=False)
    begin(guest.domain)
    overlay = overlays.undo_disks(guest.domain)["vda"]
    before = guest.domain.XMLDesc(2)
    take_off = overlays._take_off

    def start_first(*arguments: Any) -> None:
        guest.domain.create()
        take_off(*arguments)

    monkeypatch.setattr(overlays, "_take_off", start_first)
    with pytest.raises(DomainOff, match="on its undo disks: they are kept"):
        overlays.discard(guest.domain) if operation == "discard" else overlays.merge(guest.domain, qemuimg.Job())
    assert guest.domain.isActive()
    assert f"<source file='{overlay}'" in guest.domain.XMLDesc()
    guest.domain.destroy()
    assert guest.domain.XMLDesc(2) == before
    command = ["qemu-io", "-f", "qcow2", "-c", "write -q -P 90 0 4M", str(overlay)]
    subprocess.run(command, check=True, timeout=60)
    monkeypatch.setattr(overlays, "_take_off", take_off)
    overlays.merge(guest.domain, qemuimg.Job())
    assert leftovers(tmp_path) == []
    assert content(tmp_path / "disk.raw", "raw")[: len(WRITTEN)] == WRITTEN


def test_a_machine_that_is_started_on_its_originals_loses_its_undo_disks(
    guest_factory: GuestFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started a moment later than above: what its guest writes is not beneath anything."""
    guest = guest_factory(disks=(Disk("vda", make_image(tmp_path, "raw")),), start=False)
    begin(guest.domain)
    redefine = redefining.redefine

    def then_start(domain: Any, change: Any) -> None:
        redefine(domain, change)
        if not domain.isActive():
            domain.create()

    with monkeypatch.context() as patched:
        patched.setattr(overlays, "redefine", then_start)
        overlays.discard(guest.domain)
    assert sources(guest) == [str(tmp_path / "disk.raw")]
    assert leftovers(tmp_path) == []


def test_what_is_said_of_undo_disks_that_somebody_else_deals_with(
    guest_factory: GuestFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    guest = guest_factory(disks=(Disk("vda", make_image(tmp_path, "raw")),), start=False)
    vm = undoable(guest, VS, constants.vmUndoAction_Commit)
    start(vm, guest)
    domain = guest.domain
    busy, gone = "this process leaves its undo disks alone: another task", "is gone: nothing was done with its undo"
    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "vpcshim"):
        patched.setattr(undolock, "_PATIENCE", 0.2)
        with undolock.exclusive(domain):
            guest.send("poweroff -f")
            wait_until(lambda: busy in caplog.text, 60, "it is said that another task is at work")
    guest.hang_up()
    assert gone not in caplog.text
    with caplog.at_level(logging.WARNING, "vpcshim"), undolock.exclusive(domain):
        undoing.UndoWatch(vm._server)._told(Event(Kind.LIFECYCLE, domain.UUIDString(), undoing._SHUT_DOWN, 0.0))
        domain.undefine()
    wait_until(lambda: gone in caplog.text, 30, "it is said that the machine is gone")
    assert "for its next start" not in caplog.text


def why_not_started(vm: VirtualMachine) -> str:
    """What the call says that failed within a moment, else its task."""
    try:
        task = vm.Startup()
    except ComError as error:
        return str(error)
    task.WaitForCompletion(-1)
    return str(task.ErrorDescription)


@pytest.mark.usefixtures("quiet_errors")
def test_a_start_that_failed_was_no_run(
    guest_factory: GuestFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disks = Disk("vda", make_image(tmp_path, "raw")), Disk("hdc", make_image(tmp_path, "raw", "cd"), device="cdrom")
    guest = guest_factory(disks=disks, start=False)
    vm = undoable(guest, VS, constants.vmUndoAction_Discard)
    (tmp_path / "cd.raw").unlink()
    for _ in range(2):
        with caplog.at_level(logging.WARNING, "vpcshim"):
            assert "cd.raw" in why_not_started(vm)
    assert guest.domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED]
    assert "nobody listened" not in caplog.text
    assert len(leftovers(tmp_path)) == 1
