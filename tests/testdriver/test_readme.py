"""What the README shows works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_first_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = PYTHON[0].replace("qemu:///system", "test:///default").replace('"web01"', '"test"')
    names: dict[str, object] = {}
    exec(code, names)
    name, state, sent = capsys.readouterr().out.split()
    assert (name, state) == ("test", "5")
    assert int(sent) > 0
    assert repr(names["hr"]) == "<HRESULT.S_OK: 0x00000000>"


def test_the_example_of_the_fixture_passes(tmp_path: Path) -> None:
    (tmp_path / "test_report.py").write_text(PYTHON[1])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_the_options_are_those_of_the_library() -> None:
    from vpcshim import ConnectionOptions

    section = README.split("## From the command line")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", section, re.MULTILINE))
    defaults = ConnectionOptions()
    shown = {name: repr(getattr(defaults, name)).replace("'", '"') for name in rows if name != "uri"}
    assert shown == {name: value for name, value in rows.items() if name != "uri"}
    assert set(rows) == set(ConnectionOptions.__slots__)


@pytest.mark.parametrize("line", re.findall(r"^vpcshim [^#\n>]*", "".join(SHELL), re.MULTILINE))
def test_the_commands_are_understood(line: str) -> None:
    words = [word for word in line.split()[1:] if word not in ("--watch",)]
    # The servers of the examples are not here; the test driver stands in for every one of them.
    for place, word in enumerate(words):
        if word == "-c":
            words[place + 1] = "test:///default"
    words = ["test" if word == "web01" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-m", "vpcshim", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "VPCSHIM_URI": "test:///default"},
    )
    assert done.returncode in (0, 1), done.stderr  # 1: the test driver has no UpTime
    assert done.stdout
