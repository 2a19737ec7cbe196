"""qemu-img: the real one on small images, and one of our own that stalls, fails and goes on for ever."""

from __future__ import annotations

import fcntl
import os
import shlex
import stat
import threading
import time
from pathlib import Path

import pytest

from tests.harness import needs
from tests.harness.waiting import wait_until
from vpcshim.hypervisor import imageerrors, qemuimg
from vpcshim.hypervisor.qemuimg import Job

MIB = 1 << 20


@pytest.fixture
def real() -> None:
    needs.program("qemu-img", "qemu-utils")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH; `qemu-img` is to be put into it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def script(folder: Path, text: str) -> None:
    program = folder / "qemu-img"
    program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{text}\n")
    program.chmod(0o755)


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("format", ["raw", "qcow2", "vpc", "vhdx"])
def test_an_image_is_what_it_was_made_to_be(tmp_path: Path, format: str) -> None:
    path = tmp_path / "with, comma and -o=x"
    qemuimg.create(path, format=format, size=8 * MIB)
    found = qemuimg.info(path, format=format)
    assert (found.path, found.format, found.backing, found.dirty) == (path, format, None, False)
    assert found.virtual_size >= 8 * MIB  # a VHD has whole cylinders
    # How many blocks it has taken is the file system's to say, and to say later.
    wait_until(lambda: qemuimg.info(path, format=format).actual_size == path.stat().st_blocks * 512, 20)


@pytest.mark.usefixtures("real")
def test_an_overlay_names_what_it_lies_over(tmp_path: Path) -> None:
    below, over = tmp_path / "below.vhd", tmp_path / "over.qcow2"
    qemuimg.create(below, format="vpc", size=8 * MIB, options={"subformat": "fixed"})
    qemuimg.create(over, format="qcow2", backing=below, backing_format="vpc")
    found = qemuimg.info(over, format="qcow2")
    assert (found.backing, found.backing_path, found.backing_format) == (str(below), below, "vpc")
    assert found.virtual_size == qemuimg.info(below, format="vpc").virtual_size
    assert found.cluster_size == 65536
    below.rename(tmp_path / "moved.vhd")
    assert qemuimg.info(over, format="qcow2").backing_path == below, "it is not opened"
    qemuimg.rebase(over, tmp_path / "moved.vhd", "vpc")
    assert qemuimg.info(over, format="qcow2").backing_path == tmp_path / "moved.vhd"


@pytest.mark.usefixtures("real")
def test_what_is_committed_is_in_both_and_can_be_committed_again(tmp_path: Path) -> None:
    below, over, other = (tmp_path / name for name in ("below.raw", "over.qcow2", "other.raw"))
    below.write_bytes(b"old " * (2 * MIB))
    other.write_bytes(b"new " * (2 * MIB))
    qemuimg.convert(other, over, source_format="raw", format="qcow2")
    qemuimg.rebase(over, below, "raw")
    told: list[float] = []
    qemuimg.commit(over, job=Job(told.append))
    assert below.read_bytes() == other.read_bytes()
    assert told == sorted(told)
    assert told[-1] == 100
    assert qemuimg.same(below, "raw", over, "qcow2")
    qemuimg.commit(over)
    assert below.read_bytes() == other.read_bytes()
    below.write_bytes(b"old " * (2 * MIB))
    assert qemuimg.same(over, "qcow2", other, "raw")
    assert not qemuimg.same(below, "raw", other, "raw")


@pytest.mark.usefixtures("real")
def test_no_file_is_ever_replaced(tmp_path: Path) -> None:
    there, source = tmp_path / "there", tmp_path / "source.raw"
    there.write_text("precious")
    qemuimg.create(source, format="raw", size=MIB)
    with pytest.raises(imageerrors.ImageExists, match="there cannot be made: File exists"):
        qemuimg.create(there, format="qcow2", size=MIB)
    with pytest.raises(imageerrors.ImageExists):
        qemuimg.convert(source, there, source_format="raw", format="qcow2")
    assert there.read_text() == "precious"


@pytest.mark.usefixtures("real")
def test_what_fails_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    made, missing = tmp_path / "made", tmp_path / "missing"
    with pytest.raises(imageerrors.ImageMissing, match=r"missing.*No such file"):
        qemuimg.create(made, format="qcow2", backing=missing, backing_format="raw")
    with pytest.raises(imageerrors.ImageMissing, match="No such file"):
        qemuimg.convert(missing, made, source_format="raw", format="qcow2")
    with pytest.raises(imageerrors.ImageError, match="Unknown file format"):
        qemuimg.create(made, format="nonsense", size=MIB)
    assert not made.exists()
    with pytest.raises(imageerrors.ImageMissing):
        qemuimg.create(tmp_path / "no" / "folder", format="raw", size=MIB)
    with pytest.raises(imageerrors.ImageMissing):
        qemuimg.info(missing)
    missing.write_bytes(b"x" * 1024)
    with pytest.raises(imageerrors.ImageError, match="not in qcow2 format"):
        qemuimg.info(missing, format="qcow2")


@pytest.mark.parametrize("name", ["-o", "nbd:localhost", "json:{}", ""])
def test_what_is_no_absolute_path_never_gets_to_qemu_img(name: str, fake: Path) -> None:
    script(fake, "echo called >&2; exit 1")
    with pytest.raises(ValueError, match="absolute path"):
        qemuimg.info(Path(name))


def test_a_backing_file_has_a_format(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="never guessed"):
        qemuimg.create(tmp_path / "over", format="qcow2", backing=tmp_path / "below")


def test_without_the_program_the_way_out_is_named(fake: Path) -> None:
    with pytest.raises(imageerrors.ToolMissing, match="apt install qemu-utils"):
        qemuimg.info(Path("/image"))


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("error while writing: No space left on device", imageerrors.DiskFull),
        ("Could not open '/image': Permission denied", imageerrors.ImageDenied),
        ("Could not open '/image': Read-only file system", imageerrors.ImageReadOnly),
        ('Failed to get "write" lock', imageerrors.ImageBusy),
        ("something new", imageerrors.ImageError),
    ],
)
def test_its_words_are_told_apart(fake: Path, words: str, kind: type[imageerrors.ImageError]) -> None:
    script(fake, f"echo {shlex.quote(f'qemu-img: {words}')} >&2; exit 1")
    with pytest.raises(imageerrors.ImageError) as caught:
        qemuimg.commit(Path("/image"))
    assert type(caught.value) is kind
    assert str(caught.value) == f"qemu-img commit /image: {words}"


def test_it_speaks_english(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    script(fake, 'echo "$LC_ALL" >&2; exit 1')
    with pytest.raises(imageerrors.ImageError, match=r"image: C$"):
        qemuimg.commit(Path("/image"))


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"format": "raw"}', '{"format": "raw", "virtual-size": "x"}'])
def test_an_answer_that_is_none(fake: Path, answer: str) -> None:
    script(fake, f"echo '{answer}'")
    with pytest.raises(imageerrors.ImageError, match="does not understand"):
        qemuimg.info(Path("/image"))


def test_one_that_stalls_is_ended(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemuimg, "_STALLED", 0.3)
    script(fake, "exec sleep 60")
    began = time.monotonic()
    with pytest.raises(imageerrors.ImageError, match=r"no sign for 0\.3 seconds"):
        qemuimg.commit(Path("/image"))
    assert time.monotonic() - began < 10


def test_one_that_goes_on_is_not_ended(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemuimg, "_STALLED", 4.0)
    script(fake, r"for i in 1 2 3 4 5 6 7 8 9; do sleep 0.5; printf '    (%s.00/100%%)\r' $i; done")
    job = Job()
    qemuimg.commit(Path("/image"), job=job)
    assert job.percent == 9


def test_what_it_prints_without_end_is_not_kept(fake: Path) -> None:
    script(fake, "head -c 8000000 /dev/zero; head -c 8000000 /dev/zero | tr '\\0' x >&2; exit 1")
    with pytest.raises(imageerrors.ImageError) as caught:
        qemuimg.commit(Path("/image"))
    assert len(str(caught.value)) < 2 * MIB


def test_it_is_cancelled_from_another_thread_and_leaves_nothing(fake: Path, tmp_path: Path) -> None:
    script(fake, r"printf '    (1.00/100%%)\r'; exec sleep 60")
    target = tmp_path / "target"
    job = Job(lambda percent: threading.Thread(target=job.cancel).start())
    with pytest.raises(imageerrors.Cancelled):
        qemuimg.convert(Path("/image"), target, source_format="raw", format="qcow2", job=job)
    assert not target.exists()


def test_a_job_that_was_cancelled_before_it_began(fake: Path) -> None:
    script(fake, "exec sleep 60")
    job = Job()
    job.cancel()
    with pytest.raises(imageerrors.Cancelled):
        qemuimg.commit(Path("/image"), job=job)


def test_what_is_lent_is_held_as_long_as_it_runs(fake: Path, tmp_path: Path) -> None:
    script(fake, f"touch {tmp_path}/begun; while [ ! -e {tmp_path}/end ]; do sleep 0.05; done")
    path = tmp_path / "lock"
    lock = os.open(path, os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    thread = threading.Thread(target=lambda: qemuimg.commit(Path("/image"), lend=[lock]))
    thread.start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    os.close(lock)
    other = os.open(path, os.O_RDWR)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (tmp_path / "end").touch()
        thread.join()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        (tmp_path / "end").touch()
        os.close(other)


@pytest.mark.usefixtures("real")
def test_what_is_being_made_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "made"
    qemuimg.create(path, format="qcow2", size=MIB)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
