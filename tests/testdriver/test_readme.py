"""What the README shows works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.wine import need_wine

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


SCRIPTS = Path(__file__).parents[2] / "fixtures" / "scripts"
# What stands in for the scripts, machines and folders of the examples.
_STAND_INS = {
    "report.vbs": [str(SCRIPTS / "inventory.vbs")],
    "cleanup.js": [str(SCRIPTS / "inventory.js")],
    "provision.py": [str(SCRIPTS / "inventory.py")],
    "old/*.vbs": sorted(map(str, SCRIPTS.glob("*.vbs"))),
    "C:=/srv/vm": ["C:=/tmp"],
    "web01": ["test"],
    "db01": [],
    "--watch": [],
}


@pytest.mark.parametrize("line", re.findall(r"^vpcshim [^#\n>]*", "".join(SHELL), re.MULTILINE))
def test_the_commands_are_understood(line: str, tmp_path: Path) -> None:
    words = [stand_in for word in line.split()[1:] for stand_in in _STAND_INS.get(word, [word])]
    if words[0] == "run" and words[-1].endswith((".vbs", ".js")):
        need_wine()
    # The servers of the examples are not here; the test driver stands in for every one of them.
    for place, word in enumerate(words):
        if word == "-c":
            words[place + 1] = "test:///default"
    if words == ["events"]:
        words.append("--help")  # it goes on until it is interrupted: test_scripts.py does that
    done = subprocess.run(
        [sys.executable, "-m", "vpcshim", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "VPCSHIM_URI": "test:///default"},
        cwd=tmp_path,
    )
    # 1: the test driver has no UpTime, and its machine runs already; scripts may use what is unavailable.
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout or "running already" in done.stderr, done.stderr
