"""Names of servers: which mean this very machine, and which do not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from vpcshim.hypervisor.servernames import server_meant
from vpcshim.model.options import ConnectionOptions


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The libvirt.conf of this user, which is not there yet; the host is KVM1.example.com."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(socket, "gethostname", lambda: "KVM1.example.com")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "libvirt").mkdir()
    return tmp_path / "libvirt" / "libvirt.conf"


HERE = (".", "localhost", "LocalHost", "127.0.0.1", "::1", "[::1]", "kvm1", "Kvm1", "kvm1.EXAMPLE.com")


@pytest.mark.parametrize("name", [None, "", *HERE, *(rf"\\{name}" for name in HERE)])
def test_this_machine_is_no_name(name: str | None) -> None:
    assert server_meant(name) is None
    assert ConnectionOptions(name).uri is None


@pytest.mark.parametrize(
    "name",
    [
        "kvm2",
        "kvm1.example.org",
        "qemu:///system",
        "qemu+ssh://localhost/system",
        "127.0.0.2",
        "test:///default",
        "  ",
    ],
)
def test_others_are_what_they_are(name: str) -> None:
    assert server_meant(name) == name


@pytest.mark.parametrize(("name", "meant"), [(r"\\kvm2", "kvm2"), (r"\\KVM2.example.com", "KVM2.example.com")])
def test_a_name_as_windows_writes_it(name: str, meant: str) -> None:
    assert server_meant(name) == meant


def test_an_alias_of_that_very_name_wins(configuration: Path) -> None:
    configuration.write_text(
        "# uri_aliases = ['.=test:///default']\n"
        "uri_default = 'qemu:///session'\n"
        'uri_aliases = [\n  "localhost=qemu+ssh://[::1]/system",  # "Kvm1=x" and ]\n  \'kvm1=test:///default\',\n]\n'
        'other = [ "127.0.0.1=x" ]\n'
    )
    assert [server_meant(name) for name in ("localhost", r"\\kvm1")] == ["localhost", "kvm1"]
    assert [server_meant(name) for name in (".", "LOCALHOST", "Kvm1", "127.0.0.1")] == [None] * 4


def test_the_systems_file_is_the_one_of_root(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration.write_text('uri_aliases = ["localhost=test:///default"]\n')
    assert server_meant("localhost") == "localhost"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Path, "read_text", lambda path, **_: f'uri_aliases = ["kvm1=x:///{path}"]')
    assert server_meant("localhost") is None
    assert server_meant("kvm1") == "kvm1"


def test_the_default_may_name_this_machine_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPCSHIM_URI", "localhost")
    assert ConnectionOptions().server() is None
    monkeypatch.setenv("VPCSHIM_URI", "test:///default")
    assert ConnectionOptions(".").server() == "test:///default"
    assert ConnectionOptions("kvm2").server() == "kvm2"
