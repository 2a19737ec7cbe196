"""Small files: whole whatever happens, never over one that is there, and what was left behind is taken away."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from vpcshim import HRESULT
from vpcshim.com.errors import Failure
from vpcshim.model import hostfiles


def test_a_file_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "web.vmc"
    hostfiles.create(path, b"first")
    with pytest.raises(FileExistsError):
        hostfiles.create(path, b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["web.vmc"]


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "web.vmc").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        hostfiles.create(tmp_path / "web.vmc", b"x")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_is_replaced_whole_and_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "web.vmc"
    path.write_bytes(b"old and longer")
    hostfiles.replace(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert os.listdir(tmp_path) == ["web.vmc"]


@pytest.mark.parametrize("write", [hostfiles.create, hostfiles.replace])
def test_what_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: object
) -> None:
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert callable(write)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path / "web.vmc", b"x")
    assert os.listdir(tmp_path) == []


def test_what_a_killed_writer_left_is_taken_away_without_harm(tmp_path: Path) -> None:
    path, beside = tmp_path / "web.vmc", tmp_path / ".web.vmc.vpcshim-new"
    path.write_bytes(b"whole")
    os.link(path, beside)  # killed between the link and the removal of the other name
    hostfiles.replace(path, b"next")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"next", ["web.vmc"])
    path.unlink()
    beside.write_bytes(b"half")  # killed before
    hostfiles.create(path, b"again")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"again", ["web.vmc"])


def test_writers_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "web.vmc"
    texts = [bytes([65 + number]) * 5000 for number in range(8)]
    refused: list[int] = []

    def write(number: int) -> None:
        for _ in range(10):
            hostfiles.replace(path, texts[number])
        try:
            hostfiles.create(tmp_path / "new.vmc", texts[number])
        except FileExistsError:
            refused.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in texts
    assert (tmp_path / "new.vmc").read_bytes() in texts
    assert len(refused) == 7
    assert sorted(os.listdir(tmp_path)) == ["new.vmc", "web.vmc"]


def test_only_so_much_of_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"123456")
    os.mkfifo(tmp_path / "pipe")
    assert hostfiles.read(tmp_path / "large", 6) == b"123456"
    with pytest.raises(ValueError, match="larger"):
        hostfiles.read(tmp_path / "large", 5)
    with pytest.raises(ValueError, match="regular"):
        hostfiles.read(tmp_path / "pipe", 5)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (2, HRESULT.E_FILE_NOT_FOUND),
        (13, HRESULT.E_ACCESSDENIED),
        (17, HRESULT.E_ALREADY_EXISTS),
        (28, HRESULT.E_DISK_FULL),
        (36, HRESULT.E_BUFFER_OVERFLOW),
        (5, HRESULT.E_FAIL),
    ],
)
def test_the_systems_refusals_are_com_failures(number: int, code: HRESULT) -> None:
    with pytest.raises(Failure) as caught, hostfiles.told("web.vmc cannot be made"):
        raise OSError(number, os.strerror(number))
    assert caught.value.code is code
    assert caught.value.description == f"web.vmc cannot be made: {os.strerror(number)}"


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    path = tmp_path / "web.vmc"
    hostfiles.create(path, b"first")
    with pytest.raises(FileExistsError):
        hostfiles.create(path, b"second")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"first", ["web.vmc"])


def test_a_pipe_where_a_killed_writer_may_have_left_something_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".web.vmc.vpcshim-new")
    hostfiles.create(tmp_path / "web.vmc", b"x")
    assert os.listdir(tmp_path) == ["web.vmc"]
