"""Runs the VBScript examples of the products' documentation, unmodified, and says of each how it went.

    python -m tests.examples FOLDER [--only PATTERN] [--real URI]

FOLDER holds the pages as Markdown (or scripts as .vbs). The examples look for a machine "Windows Server 2003": each
is run against a node of the test driver where it runs, then where it is off, then where it is saved, until
every call of it is answered. The pages are not ours, and so no part of this repository.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vpcshim.testing import Machine, NodeBuilder
from vpcshim.testing.machines import State

_EXAMPLE = re.compile(r"^```VB\w*[ \t]*\n(.*?)^```", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_NAME = "Windows Server 2003"
_SITUATIONS: tuple[State, ...] = ("running", "shutoff", "saved")
_TIMEOUT = 60


@dataclass(frozen=True)
class Run:
    """One run of one example: its exit code, the calls that failed, and what it printed to stderr."""

    code: int
    calls: int
    failed: list[dict[str, Any]]
    stderr: str

    @property
    def answered(self) -> bool:
        """Whether it ended well and every call was answered."""
        return self.code == 0 and not self.failed and self.calls > 0

    @property
    def why(self) -> str:
        """Why not, in a line."""
        if self.failed:
            call = self.failed[0]
            return f"{call['member']}: {call['hresult']['name']}: {call['error']}"
        return (
            self.stderr.strip().splitlines()[-1] if self.stderr.strip() else f"exit code {self.code}, no call made"
        )


def examples(folder: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """The examples by name: those of the pages, and the scripts that lie there as files."""
    for page in sorted((*folder.rglob("*.md"), *folder.rglob("*.vbs"))):
        if not fnmatch.fnmatch(page.stem, pattern):
            continue
        text = page.read_text(encoding="utf-8-sig", errors="replace")
        found = [text] if page.suffix == ".vbs" else _EXAMPLE.findall(text)
        for number, example in enumerate(found):
            yield f"{page.stem}{f' ({number + 1})' if number else ''}", example


def run(text: str, uri: str, folder: Path) -> Run:
    """Run one example."""
    script, trace = folder / "example.vbs", folder / "calls.jsonl"
    script.write_text(text, encoding="utf-8")
    trace.unlink(missing_ok=True)
    command = [sys.executable, "-m", "vpcshim", "run", "-c", uri, "--batch", "--trace", str(trace), str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    calls = [json.loads(line) for line in trace.read_text().splitlines()] if trace.exists() else []
    failed = [call for call in calls if "error" in call]
    return Run(done.returncode, len(calls), failed, done.stderr)


def best(text: str, uris: dict[str, str], folder: Path) -> tuple[str, Run]:
    """The first situation in which every call is answered, else the first of all."""
    first: tuple[str, Run] | None = None
    for situation, uri in uris.items():
        done = run(text, uri, folder)
        first = first or (situation, done)
        if done.answered:
            return situation, done
    assert first is not None
    return first


def main() -> int:
    """Run them all, and print the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.examples")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="*", help="the examples whose page matches this pattern")
    parser.add_argument("--real", metavar="URI", help="run them once each on this server instead")
    parser.add_argument("-v", "--verbose", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.real:
            uris = {"real": arguments.real}
        else:
            build = NodeBuilder(folder)
            uris = {state: build(Machine(_NAME, state=state, nics=1)).uri for state in _SITUATIONS}
        counted: Counter[str] = Counter()
        for example, text in examples(arguments.folder, arguments.only):
            situation, done = best(text, uris, folder)
            counted["answered" if done.answered else "not"] += 1
            if not done.answered:
                print(f"NOT  {example}: {done.why}")
            elif arguments.verbose:
                print(f"ok   {example} ({situation}, {done.calls} calls)")
        print(f"{counted['answered']} of {counted.total()} examples run with every call answered")
    return 0


if __name__ == "__main__":
    sys.exit(main())
