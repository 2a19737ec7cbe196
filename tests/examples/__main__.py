"""Runs the VBScript examples of the products' documentation, unmodified, and says of each how it went.

    python -m tests.examples FOLDER [--only PATTERN] [--guest] [-v]

FOLDER holds the pages as Markdown (or scripts as .vbs). The examples look for a machine "Windows Server 2003": they
are run while it runs, then, where a call was not answered, while it is saved, and while it is off: on a node of the
test driver, or with --guest on a real QEMU guest of that name, in namespaces of its own. The pages are not ours, so
they are no part of this repository.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness import namespace
from vpcshim.testing import Machine, NodeBuilder
from vpcshim.testing.machines import State

_EXAMPLE = re.compile(r"^```VB\w*[ \t]*\n(.*?)^```", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_NAME = "Windows Server 2003"
_SITUATIONS: tuple[State, ...] = ("running", "saved", "shutoff")
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
    # The cache is the run's own: a wineserver outside of the namespaces serves nobody inside.
    own = {"XDG_CACHE_HOME": str(folder / "cache"), "XDG_CONFIG_HOME": str(folder / "config")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_TIMEOUT, check=False, env={**os.environ, **own}
    )
    calls = [json.loads(line) for line in trace.read_text().splitlines()] if trace.exists() else []
    failed = [call for call in calls if "error" in call]
    return Run(done.returncode, len(calls), failed, done.stderr)


class Node:
    """A machine of the test driver, in a node for each state."""

    def __init__(self, folder: Path) -> None:
        build = NodeBuilder(folder)
        self._uris = {state: build(Machine(_NAME, state=state, nics=1)).uri for state in _SITUATIONS}

    def put(self, state: State) -> str:
        """The URI of a server where the machine is in that state."""
        return self._uris[state]


class Guest:
    """A real guest, put from one state into the next."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        from tests.harness.guests import GuestMaker, Hardware, Nic, PrivateLibvirtd
        from tests.harness.network import bridge

        daemon = PrivateLibvirtd()
        stack.callback(daemon.close)
        daemon.start()
        stack.enter_context(bridge("examples0"))
        maker = GuestMaker(folder)
        stack.callback(maker.close)
        self._connection = daemon.open()
        stack.callback(self._connection.close)
        nics = (Nic("bridge", "52:54:00:aa:01:01", "examples0"),)
        video = "<video><model type='vga'/></video>"
        self._guest = maker.make(self._connection, _NAME, Hardware(nics=nics, devices=video))
        self._uri = PrivateLibvirtd.uri

    def put(self, state: State) -> str:
        """The URI of the server, when the machine is in that state."""
        if state == "running":
            self._guest.start()
            self._guest.wait_ready()
        elif state == "saved":
            self._guest.managed_save()
        else:
            self._guest.domain.managedSaveRemove()
        return self._uri


def main() -> int:
    """Run them all, and print the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.examples")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="*", help="the examples whose page matches this pattern")
    parser.add_argument("--guest", action="store_true", help="on a real guest (root, and what tests/guests needs)")
    parser.add_argument("-v", "--verbose", action="store_true", help="show those that were answered as well")
    given = parser.parse_args()
    if given.guest and not namespace.inside():
        if not namespace.can_enter():
            print(f"no real guest here: {namespace.why_not()}", file=sys.stderr)
            return 2
        return namespace.run_inside(("-m", "tests.examples", *sys.argv[1:]), Path.cwd())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vpcshim-examples-")))
        machine = Guest(folder, stack) if given.guest else Node(folder)
        texts = dict(examples(given.folder, given.only))
        done: dict[str, tuple[State, Run]] = {}
        for state in _SITUATIONS:
            uri = machine.put(state)
            for name, text in texts.items():
                if name in done and done[name][1].answered:
                    continue
                ran = run(text, uri, folder)
                if ran.answered or name not in done:
                    done[name] = state, ran
        report(done, verbose=given.verbose)
    return 0


def report(done: dict[str, tuple[State, Run]], *, verbose: bool) -> None:
    """Say of each how it went, and how many went well."""
    for name, (state, ran) in done.items():
        if not ran.answered:
            print(f"NOT  {name}: {ran.why}")
        elif verbose:
            print(f"ok   {name} ({state}, {ran.calls} calls)")
    answered = sum(ran.answered for _, ran in done.values())
    print(f"{answered} of {len(done)} examples run with every call answered")


if __name__ == "__main__":
    sys.exit(main())
