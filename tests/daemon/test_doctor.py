"""What `vpcshim doctor` says of a server that lets itself be opened for writing and refuses every change."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.harness.daemon import TestDriverDaemon


def check(uri: str) -> dict[str, Any]:
    """The check of writing; nothing else fails."""
    command = [sys.executable, "-m", "vpcshim", "-c", uri, "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    (found,) = [one for one in json.loads(done.stdout) if one["check"] == "open read-write"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("readonly", [False, True])
def test_whether_changes_are_taken_is_asked(testdriver_daemon: TestDriverDaemon, readonly: bool) -> None:
    found = check(testdriver_daemon.readonly_uri if readonly else testdriver_daemon.uri)
    if not readonly:
        assert (found["status"], found["remedy"]) == ("ok", None)
        assert "write access" in found["text"]
        return
    assert found["status"] == "warn"
    assert found["text"].startswith("read-only: ")
    assert "machines cannot be started or stopped" in found["text"]
    assert "libvirt-sock-ro" in found["remedy"]
