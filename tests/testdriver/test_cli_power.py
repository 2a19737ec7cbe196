"""`vpcshim list`, `start`, `stop`, ... against the test driver: what they print, refuse, and end with.

The node lives as long as the process, so what a command did is read from what it says; tests/guests does the rest.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence

import pytest

from vpcshim.constants import VMVMState
from vpcshim.testing import Machine, Node, NodeBuilder


@pytest.fixture
def node(vpcshim_node: NodeBuilder) -> Node:
    return vpcshim_node(
        Machine("web01"),
        Machine("db01", state="paused"),
        Machine("old", state="shutoff"),
        Machine("kept", state="saved"),
    )


def run(uris: str | Sequence[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    """What the command wrote to stdout and to stderr."""
    connect = [part for uri in ([uris] if isinstance(uris, str) else uris) for part in ("--connect", uri)]
    done = subprocess.run(
        [sys.executable, "-m", "vpcshim", *connect, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


# -- list -----------------------------------------------------------------------------------------------------


def test_the_table(node: Node) -> None:
    out, errors = run(node.uri, "list")
    header, *lines = [line.split() for line in out.splitlines()]
    assert header == ["NAME", "STATE", "UPTIME", "UUID"]
    # The test driver has no uptime of what its node file starts.
    expected = [("db01", "paused", "unknown"), ("kept", "saved", "-"), ("old", "off", "-")]
    assert [tuple(line[:3]) for line in lines] == [*expected, ("web01", "running", "unknown")]
    assert all(len(line[3]) == 36 for line in lines)
    assert errors == ""


def test_some_of_them_as_json_and_csv(node: Node) -> None:
    found = json.loads(run(node.uri, "list", "--json", "KEPT", "web01")[0])
    assert [(one["name"], one["state_number"]) for one in found] == [
        ("kept", VMVMState.vmVMState_Saved),
        ("web01", VMVMState.vmVMState_Running),
    ]
    assert found[0]["UpTime"] == {"value": 0, "hresult": "S_FALSE", "code": "0x00000001", "error": None}
    assert found[1]["UpTime"]["value"] is None
    (line,) = csv.DictReader(io.StringIO(run(node.uri, "list", "--csv", "old")[0]))
    assert (line["name"], line["state"], line["UpTime.hresult"]) == ("old", "off", "S_FALSE")


def test_two_servers(node: Node, vpcshim_node: NodeBuilder) -> None:
    other = vpcshim_node(Machine("lone"))
    out, _ = run([node.uri, other.uri], "list", "lone", "old")
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["HOST", "NAME", "STATE"],
        [node.uri, "old", "off"],
        [other.uri, "lone", "running"],
    ]


def test_what_cannot_be_listed(node: Node) -> None:
    _, errors = run(node.uri, "list", "nobody", code=2)
    assert errors == f"vpcshim: there is no machine named nobody on {node.uri}\n"
    out, errors = run([node.uri, "test+tcp://127.0.0.1:1/default"], "list", code=2)
    assert "web01" in out
    assert "127.0.0.1" in errors
    assert errors.count("\n") == 1
    assert "exclude each other" in run(node.uri, "list", "--json", "--csv", code=2)[1]


# -- start, stop, save, pause, resume, reset ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "name", "said"),
    [
        ("start", "old", "old: started"),
        ("start", "KEPT", "kept: started"),
        ("stop", "web01", "web01: turned off"),
        ("save", "db01", "db01: saved"),
        ("pause", "web01", "web01: paused"),
        ("resume", "db01", "db01: resumed"),
        ("reset", "web01", "web01: reset"),
    ],
)
def test_what_is_done(node: Node, command: str, name: str, said: str) -> None:
    assert run(node.uri, command, name) == (f"{said}\n", "")
    assert run(node.uri, command, name, name.upper())[0] == f"{said}\n", "named twice, done once"


@pytest.mark.parametrize(
    ("command", "name", "why"),
    [
        ("start", "web01", "web01 is running already"),
        ("stop", "old", "old is not running and cannot be turned off"),
        (
            "save",
            "kept",
            "kept is saved, not running, and cannot be saved: starting it restores it, "
            "`virsh -c {uri} managedsave-remove kept` throws the saved state away",
        ),
        (
            "stop",
            "kept",
            "kept is saved, not running, and cannot be turned off: starting it restores it, "
            "`virsh -c {uri} managedsave-remove kept` throws the saved state away",
        ),
        ("pause", "db01", "db01 is paused already"),
        ("resume", "web01", "web01 is not paused"),
        ("reset", "old", "old is not running and cannot be reset"),
    ],
)
def test_what_is_refused_stops_no_other(node: Node, command: str, name: str, why: str) -> None:
    other = {"start": "old", "resume": "db01"}.get(command, "web01")
    out, errors = run(node.uri, command, name, other, code=1)
    assert errors == f"vpcshim: {why.format(uri=node.uri)}\n"
    assert out.startswith(f"{other}: ")


def test_a_refusal_names_the_machine_whose_name_is_part_of_any_text(vpcshim_node: NodeBuilder) -> None:
    _, errors = run(vpcshim_node(Machine("a", transient=True), Machine("web")).uri, "save", "a", "web", code=1)
    (refusal,) = errors.splitlines()
    assert refusal.startswith("vpcshim: a: ")
    assert "transient" in refusal


def test_an_unknown_name_does_nothing_at_all(node: Node) -> None:
    out, errors = run(node.uri, "stop", "web01", "nobody", "noone", code=2)
    assert out == ""
    assert errors.splitlines() == [
        f"vpcshim: there is no machine named {name} on {node.uri}" for name in ("nobody", "noone")
    ]


def test_a_name_of_two_servers_says_which(node: Node, vpcshim_node: NodeBuilder) -> None:
    other = vpcshim_node(Machine("WEB01"))
    _, errors = run([node.uri, other.uri], "stop", "web01", code=2)
    assert errors == (
        f"vpcshim: there is a machine named web01 on {node.uri} and on {other.uri}: say which with --connect\n"
    )


@pytest.mark.parametrize("command", ["stop", "list", "accountant", "events"])
def test_a_name_of_two_machines_is_no_matter_for_the_doctor(vpcshim_node: NodeBuilder, command: str) -> None:
    node = vpcshim_node(Machine("WEB01"), Machine("Web01"))
    _, errors = run(node.uri, command, "web01", code=2)
    assert errors.endswith("web01 may be any of WEB01, Web01: name one of them in its own case\n")
    assert errors.count("\n") == 1


def test_events_of_a_machine_that_is_not_there_names_the_server(node: Node) -> None:
    assert run(node.uri, "events", "nosuch", "none", code=2)[1].splitlines() == [
        f"vpcshim: there is no machine named {name} on {node.uri}" for name in ("nosuch", "none")
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--timeout", "1e308", "list"),
        ("--timeout", "nan", "list"),
        ("--timeout", "-1", "list"),
        ("--timeout", "1e9", "doctor"),
        ("start", "old", "--wait-timeout", "1e10"),
        ("accountant", "--watch", "1e308"),
    ],
)
def test_seconds_beyond_a_day_are_wrong_usage(node: Node, arguments: tuple[str, ...]) -> None:
    out, errors = run(node.uri, *arguments, code=2)
    assert "to 86400." in errors
    assert out == ""


def test_a_server_that_cannot_be_asked_does_nothing_at_all(node: Node) -> None:
    out, errors = run([node.uri, "test+tcp://127.0.0.1:1/default"], "stop", "web01", code=2)
    assert (out, errors.count("\n")) == ("", 1)
    assert "cannot connect" in errors


@pytest.mark.parametrize(
    "arguments",
    [("stop",), ("stop", "web01", "--no-wait", "--wait-timeout", "1"), ("pause", "web01", "--wait")],
)
def test_wrong_usage(node: Node, arguments: tuple[str, ...]) -> None:
    assert run(node.uri, *arguments, code=2)[0] == ""


@pytest.mark.parametrize("command", ["list", "start", "stop", "save", "pause", "resume", "reset"])
def test_each_has_help_without_what_is_of_counters_alone(node: Node, command: str) -> None:
    out, _ = run(node.uri, command, "--help")
    assert "Exit codes:" in out
    assert "--timeout" in out
    assert "counters" not in out
    assert "no such option" in run(node.uri, command, "--raw-counters", "web01", code=2)[1].lower()
    if command == "stop":
        assert "The guest is not shut down" in out


def test_without_waiting_what_is_done_at_once_is_done(node: Node) -> None:
    assert run(node.uri, "start", "--no-wait", "old") == ("old: started\n", "")


def test_copies_of_one_machine_on_two_hosts_are_two(vpcshim_node: NodeBuilder) -> None:
    uuid = "5d0c7fe8-8d3f-4d7c-9c60-7a0d5a6e5f77"
    hosts = [vpcshim_node(Machine(name, uuid=uuid)).uri for name in ("here", "there")]
    out, _ = run(hosts, "pause", "here", "there")
    assert out.splitlines() == ["here: paused", "there: paused"]
