"""Paths as scripts write them, and as the host has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcshim import HRESULT
from vpcshim.com.errors import Failure
from vpcshim.model.paths import DriveMap

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
