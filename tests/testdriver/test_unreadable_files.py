"""What a script is told of files that its user may not see: the reason, and never a defect of this library."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.testdriver.support import VS, application, machine
from vpcshim import HRESULT, ComError
from vpcshim.model.machine import identity
from vpcshim.testing import Machine, NodeBuilder

NOBODY = 65534


@contextmanager
def hidden(folder: Path) -> Iterator[None]:
    """Nobody may look into the folder; root, who always may, is nobody meanwhile."""
    own = os.geteuid()
    folder.chmod(0)
    try:
        if own == 0:
            os.seteuid(NOBODY)
        yield
    finally:
        os.seteuid(own)
        folder.chmod(0o755)


def test_where_a_file_is_that_libvirt_alone_may_see(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = vpcshim_node(Machine("web", state="saved"))
    vm = machine(node, "web")
    folder = tmp_path / "libvirt"
    folder.mkdir()
    for places in (identity._DEFINITIONS, identity._SAVED_STATES):
        monkeypatch.setitem(places, node.uri, folder)
    for name, file in (("File", "web.xml"), ("SavedStateFilePath", "web.save")):
        with pytest.raises(ComError, match="does not tell where"):
            getattr(vm, name)
        (folder / file).touch()
        assert getattr(vm, name) == str(folder / file)
        with hidden(folder):
            assert getattr(vm, name) == str(folder / file)


@pytest.mark.parametrize(
    "call",
    [
        lambda app, path: app.GetHardDisk(path),
        lambda app, path: app.GetFloppyDiskImageType(path),
        lambda app, path: setattr(app, "SearchPaths", [path]),
        lambda app, path: setattr(app, "DefaultVMConfigurationPath", path),
    ],
)
def test_a_path_that_the_user_may_not_see(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: Callable[[Any, str], Any]
) -> None:
    folder = tmp_path / "secret"
    folder.mkdir()
    app = application(vpcshim_node("web"), VS, drives={"C:": folder})
    # The test driver's files are this machine's, which it does not say of itself.
    monkeypatch.setattr(type(app._server.connection), "is_local", property(lambda _: True))
    for path in ("C:\\there", str(folder / "there")):
        with pytest.raises(ComError) as caught:
            call(app, path)  # with all that it takes loaded, before nobody may read that
        assert caught.value.scode != HRESULT.E_UNEXPECTED
        with hidden(folder), pytest.raises(ComError, match="Permission denied") as caught:
            call(app, path)
        assert caught.value.scode != HRESULT.E_UNEXPECTED
