"""The folder for locks: one for all processes of a user, and nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vpcshim.hypervisor import runtime


def test_the_environment_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = runtime.folder()
    for name in ("XDG_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    assert runtime.folder() == before
    assert before.stat().st_mode & 0o077 == 0


def test_a_folder_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Path("/tmp/vpcshim-4242424")
    monkeypatch.setattr(os, "geteuid", lambda: 4242424)
    try:
        with pytest.raises(PermissionError, match="belongs to somebody else"):
            runtime.folder()
    finally:
        made.rmdir()
