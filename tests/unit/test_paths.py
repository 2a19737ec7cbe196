"""Paths as scripts write them, and as the host has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcshim import HRESULT
from vpcshim.com.errors import Failure
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.paths import DriveMap, drives_of

names = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters='*?:<>/|"\\'), min_size=1)
part = names.filter(lambda name: name not in (".", "..") and len(name.encode()) < 255)


@given(st.lists(part, min_size=1, max_size=4))
def test_a_path_is_what_it_was_before(parts: list[str]) -> None:
    drives = DriveMap({"C:": "/no/such/folder", "d": "/no/such/folder/below"})
    script = "C:\\" + "\\".join(parts)
    host = Path("/no/such/folder", *parts)
    assert drives.to_host(script) == host
    assert drives.to_host(str(host)) == host
    assert drives.to_script(host) == (script if parts[0] != "below" else "D:\\" + "\\".join(parts[1:]))


def refusal(path: str, folder: Path) -> Failure:
    with pytest.raises(Failure) as caught:
        DriveMap({"C:": folder}).to_host(path)
    assert len(caught.value.description) < 400
    return caught.value


@pytest.mark.parametrize(
    "path", ["C:\\" + "ü" * 200, "C:\\a\\" + "a" * 254 + "b", "/" + "a" * 256, "/" + "a/" * 2048], ids=range(4)
)
def test_a_path_that_no_file_system_holds_is_too_long(path: str, tmp_path: Path) -> None:
    assert refusal(path, tmp_path).code is HRESULT.E_BUFFER_OVERFLOW


@pytest.mark.parametrize("path", ["C:\\a\ud800", "/a/\udc80", "/a\0b", " "])
def test_a_path_that_is_no_text_is_no_path(path: str, tmp_path: Path) -> None:
    failure = refusal(path, tmp_path)
    assert failure.code is HRESULT.E_INVALID_NAME
    failure.description.encode()


def test_a_name_is_found_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "VMs").mkdir()
    (tmp_path / "VMs" / "Web.vhd").touch()
    drives = DriveMap({"C:": tmp_path})
    assert drives.to_host("c:\\vms\\WEB.VHD") == tmp_path / "VMs" / "Web.vhd"
    assert drives.to_host("c:\\vms\\new.vhd") == tmp_path / "VMs" / "new.vhd"
    assert refusal("C:\\VMs\\..\\..\\etc", tmp_path).code is HRESULT.E_BAD_PATHNAME


def test_a_name_of_the_host_may_hold_a_backslash(tmp_path: Path) -> None:
    disk = tmp_path / "Basic\\x20data"  # as udev names a partition
    disk.touch()
    drives = DriveMap({"C:": tmp_path})
    assert drives.to_host(str(disk)) == disk
    assert drives.to_host(drives.to_script(disk)) == disk


def test_a_script_goes_on_from_a_path_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "VMs").mkdir()
    drives = DriveMap({})
    assert drives.to_host(f"{tmp_path}\\vms\\web\\new.vhd") == tmp_path / "VMs" / "web" / "new.vhd"
    assert drives.to_host(f"{tmp_path}/\\VMs\\.\\..\\new.vhd") == tmp_path / "new.vhd"
    assert refusal(f"/a\\{'b' * 256}", tmp_path).code is HRESULT.E_BUFFER_OVERFLOW


@pytest.mark.parametrize("text", ["C:=/a;c:=/b", "C=/a;C:=/a", "C:\\=/a ; c = /b"])
def test_a_drive_is_given_once(text: str) -> None:
    with pytest.raises(ValueError, match=r"drive C: is given twice, for /a and for /[ab]"):
        DriveMap.parsed(text)
    with pytest.raises(ValueError, match="drive C: is given twice"):
        DriveMap({"C": "/a", "c:": "/b"})


def test_drives_of_parts() -> None:
    assert drives_of(["c:=/a", " ", "D = /b=c"]) == {"C": "/a", "D": "/b=c"}
    with pytest.raises(ValueError, match="a drive is a letter, as C:, not 'CD:'"):
        drives_of(["CD:=/a"])


def test_folders_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    drives = DriveMap({"C:": tmp_path, "d": tmp_path / "file", "E": "/no/such/folder"})
    assert drives.missing == (
        f"drive D: stands for {tmp_path}/file, which is no folder, "
        "drive E: stands for /no/such/folder, which is no folder"
    )
    assert DriveMap({"C:": tmp_path}).missing == ""


@pytest.mark.parametrize(
    ("uri", "here"),
    [
        (None, True),
        ("qemu:///system", True),
        ("qemu+unix:///system?socket=/run/x", True),
        ("test:///default", True),
        ("qemu+ssh://kvm2/system", False),
        ("kvm2", False),  # an alias, or a host name
    ],
)
def test_which_names_are_of_this_machine(uri: str | None, here: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders of a drive map have to be there then; another machine's cannot be looked for."""
    for name in ("VPCSHIM_URI", "LIBVIRT_DEFAULT_URI"):
        monkeypatch.delenv(name, raising=False)
    assert ConnectionOptions(uri).names_this_machine() is here
    for name in ("VPCSHIM_URI", "LIBVIRT_DEFAULT_URI"):
        monkeypatch.setenv(name, "qemu+ssh://kvm2/system")
        assert ConnectionOptions().names_this_machine() is False
        monkeypatch.delenv(name)


def test_drives_that_are_no_mapping() -> None:
    with pytest.raises(TypeError, match="drives is a mapping"):
        ConnectionOptions(drives="C:=/tmp")  # type: ignore[arg-type]
