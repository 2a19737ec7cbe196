"""Locks that are let go of while a process that was forked meanwhile lives on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import libvirt
import pytest

from vpcshim.hypervisor import imagelock, runtime, undolock
from vpcshim.hypervisor.errors import DomainBusy
from vpcshim.hypervisor.imageerrors import ImageBusy
from vpcshim.model import hostfiles


@contextmanager
def forked() -> Iterator[None]:
    """While a child of this process lives, which has everything open that this one had open."""
    ready, end = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end[1])
        os.write(ready[1], b"x")
        os.read(end[0], 1)
        os._exit(0)
    try:
        os.read(ready[0], 1)
        yield
    finally:
        for pipe in (*ready, *end):
            os.close(pipe)
        os.waitpid(child, 0)


@contextmanager
def written(path: Path) -> Iterator[None]:
    """The image, held as QEMU holds one that it writes to."""
    with path.open("r+b") as file:
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, imagelock._flock(fcntl.F_RDLCK, imagelock._USES + 1))
            place = imagelock._KEEPS_OTHERS_FROM + 1
            found = fcntl.fcntl(file, fcntl.F_OFD_GETLK, imagelock._flock(fcntl.F_WRLCK, place))
        finally:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, imagelock._flock(fcntl.F_UNLCK, imagelock._USES + 1))
        if imagelock._FLOCK.unpack(found)[0] != fcntl.F_UNLCK:
            raise ImageBusy(str(path))
        yield


def test_an_image_is_free_again(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.touch()
    with ExitStack() as children:
        with imagelock.held(path):
            with pytest.raises(ImageBusy), written(path):
                pass
            children.enter_context(forked())
        with written(path):
            pass


def test_preferences_are_free_again(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with ExitStack() as children:
        with hostfiles.locked(path):
            children.enter_context(forked())
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_undo_disks_are_free_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "folder", lambda: tmp_path)
    monkeypatch.setattr(undolock, "_PATIENCE", 0.1)
    connect = libvirt.open("test:///default")
    domain = connect.lookupByName("test")
    with ExitStack() as children:
        with undolock.exclusive(domain):
            with pytest.raises(DomainBusy), undolock.exclusive(domain):
                pass
            children.enter_context(forked())
        with undolock.exclusive(domain):
            pass
    connect.close()
