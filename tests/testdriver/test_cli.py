"""Whole runs of the command line, as a process of its own, against libvirt's test driver."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

NODE = """<node>{}</node>"""
DOMAIN = """
<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
  <name>{name}</name><uuid>00000000-0000-0000-0000-{number:012}</uuid><memory>65536</memory>
  <os><type>hvm</type></os>
  <devices>{devices}</devices>
  <test:runstate>{state}</test:runstate>
</domain>"""
NIC = """<interface type='network'><mac address='52:54:00:00:00:{number:02x}'/><source network='default'/>
<target dev='vnet{number}'/></interface>"""
DISK = "<disk type='file' device='disk'><source file='/x.img'/><target dev='vda'/></disk>"
# The test driver counts on every NIC. This one is made uncounted: -1, as real drivers say it.
UNCOUNTED = "<interface type='user'><mac address='52:54:00:00:00:aa'/><target dev='nocount'/></interface>"
PRELUDE = """
import sys, libvirt
real = libvirt.virDomain.interfaceStats
libvirt.virDomain.interfaceStats = lambda self, dev: (-1,) * 8 if dev == "nocount" else real(self, dev)
from vpcshim.cli.main import main
sys.exit(main())
"""
RUNNING, PAUSED, SHUTOFF = 1, 3, 5
BYTES = "net-sent,net-received,disk-read,disk-written"


def environment() -> dict[str, str]:
    # Without its buffer, stdout would hide what Python says of it at exit.
    ours = ("VPCSHIM_", "LIBVIRT_", "PYTHONUNBUFFERED")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return clean | {"TERM": "xterm", "NO_COLOR": "1", "LC_ALL": "C.UTF-8", "PYTHONWARNINGS": "error"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", PRELUDE, *arguments]


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, env=environment() | env, check=False
    )


def machine(name: str, number: int, state: int = RUNNING, devices: str | None = None) -> str:
    devices = NIC.format(number=number) + DISK if devices is None else devices
    return DOMAIN.format(name=name, number=number, state=state, devices=devices)


def write_node(path: Path, *machines: str) -> str:
    path.write_text(NODE.format("".join(machines)))
    return f"test://{path}"


@pytest.fixture
def node(tmp_path: Path) -> str:
    return write_node(
        tmp_path / "node.xml",
        machine("web01", 1),
        machine("db01", 2, PAUSED),
        machine("old", 3, SHUTOFF),
        machine("slirp", 4, devices=UNCOUNTED),
    )


def stderr_lines(result: subprocess.CompletedProcess[str]) -> list[str]:
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()


# -- accountant: forms -------------------------------------------------------------------------------------


def test_the_plain_table(node: str) -> None:
    result = run("--connect", node, "accountant", "--columns", BYTES)
    header, *lines = result.stdout.splitlines()
    assert header.split() == ["NAME", "STATE", "NET-SENT", "NET-RECEIVED", "DISK-READ", "DISK-WRITTEN"]
    rows = {fields[0]: fields[1:] for fields in map(str.split, lines)}
    assert list(rows) == ["db01", "old", "slirp", "web01"]
    assert rows["web01"][0] == "running"
    assert all(re.fullmatch(r"\d+", cell) for cell in rows["web01"][1:])
    assert rows["db01"][0] == "paused"
    assert rows["old"] == ["off", "-", "-", "-", "-"]
    assert rows["slirp"] == ["running", "error", "error", "0", "0"]
    assert not re.search(r"[^\x20-\x7e\n]", result.stdout)
    assert len({len(line) for line in (header, *lines)}) == 1
    assert result.returncode == 1
    sent, received = stderr_lines(result)
    assert sent.startswith("vpcshim: slirp: net-sent: NIC 1 (nocount, ")
    assert received.startswith("vpcshim: slirp: net-received: NIC 1 (nocount, ")


def test_exit_0_when_everything_was_read(node: str) -> None:
    result = run("-c", node, "accountant", "web01", "OLD", "--columns", BYTES)
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == ["web01", "old"]


def test_skipped_nics_are_no_error(node: str) -> None:
    skip = ("--unreadable-nics", "skip")
    result = run("-c", node, "accountant", "slirp", "web01", "--columns", "net-sent", *skip)
    assert result.returncode == 0
    assert result.stdout.splitlines()[1].split() == ["slirp", "running", "0"]
    (left_out,) = stderr_lines(result)
    assert left_out.startswith("vpcshim: slirp: left out of net-sent: NIC 1 (nocount, ")
    assert run("-c", node, "accountant", "slirp", "--columns", "uptime", *skip).stderr.count("left out") == 0


def test_explain_says_which_nic_no_source_serves(node: str) -> None:
    result = run("-c", node, "accountant", "slirp", "web01", "--explain", "--columns", "net-sent")
    slirp, web = result.stdout.splitlines()[-2:]
    assert slirp.startswith("slirp NIC 1 (nocount, ")
    assert "interfaceStats does not count sent and received bytes there" in slirp
    assert web.endswith(": interfaceStats") or ": interfaceStats (" in web


def test_json(node: str) -> None:
    before = time.time_ns() // 1000
    result = run("-c", node, "accountant", "--json")
    after = time.time_ns() // 1000
    assert result.returncode == 1
    machines: dict[str, dict[str, Any]] = {one["name"]: one for one in json.loads(result.stdout)}
    assert list(machines) == ["db01", "old", "slirp", "web01"]
    web = machines["web01"]
    assert web["host"] == node
    assert web["uuid"] == "00000000-0000-0000-0000-000000000001"
    assert (web["state"], web["state_number"], web["hresult"]) == ("running", 5, "S_OK")
    # The test driver's counters: microseconds since the epoch, by 20 for sent and by 10 for received.
    sent, received = web["NetworkBytesSent"], web["NetworkBytesReceived"]
    assert before // 20 <= sent["value"] <= after // 20
    assert before // 10 <= received["value"] <= after // 10
    assert (sent["hresult"], sent["code"], sent["error"]) == ("S_OK", "0x00000000", None)
    off = machines["old"]
    assert (off["state"], off["state_number"]) == ("off", 1)
    assert off["NetworkBytesSent"] == {"value": 0, "hresult": "S_FALSE", "code": "0x00000001", "error": None}
    slirp = machines["slirp"]["NetworkBytesSent"]
    assert (slirp["value"], slirp["hresult"], slirp["code"]) == (None, "DISP_E_EXCEPTION", "0x80020009")
    assert "NIC 1" in slirp["error"]


def test_csv(node: str) -> None:
    result = run("-c", node, "accountant", "--csv", "--columns", "NetworkBytesSent")
    assert "\r" not in result.stdout
    lines = list(csv.DictReader(io.StringIO(result.stdout)))
    rows = {line["name"]: line for line in lines}
    assert rows["web01"]["NetworkBytesSent"].isdecimal()
    assert rows["web01"]["NetworkBytesSent.hresult"] == "S_OK"
    assert rows["old"]["NetworkBytesSent"] == "0"
    assert rows["old"]["NetworkBytesSent.hresult"] == "S_FALSE"
    assert rows["old"]["NetworkBytesSent.code"] == "0x00000001"
    assert rows["slirp"]["NetworkBytesSent"] == ""
    assert "NIC 1" in rows["slirp"]["error"]
    assert "DiskBytesRead" not in rows["web01"]


def test_the_cpus_of_many_machines_are_read_at_once(tmp_path: Path) -> None:
    node = write_node(tmp_path / "many.xml", *(machine(f"vm{i}", i) for i in range(1, 41)))
    began = time.monotonic()
    result = run("-c", node, "accountant", "--columns", "cpu", "--json")
    assert all(one["CPUUtilization"]["hresult"] == "S_OK" for one in json.loads(result.stdout))
    assert time.monotonic() - began < 30  # one after the other would take forty seconds and more


def test_sort(node: str) -> None:
    result = run("-c", node, "accountant", "--columns", BYTES, "--sort", "disk-read", "web01", "old", "db01")
    # The driver's counters grow: whichever of the two was read later has more, and the one that is off is last.
    assert result.stdout.splitlines()[-1].split()[0] == "old"


def test_no_machines(tmp_path: Path) -> None:
    node = write_node(tmp_path / "empty.xml")
    result = run("-c", node, "accountant", "--json")
    assert (result.returncode, json.loads(result.stdout), result.stderr) == (0, [], "")


# -- accountant: what is wrong -----------------------------------------------------------------------------


def test_an_unknown_machine(node: str) -> None:
    result = run("-c", node, "accountant", "nobody", "web01", "--columns", BYTES)
    assert result.returncode == 2
    assert stderr_lines(result) == [f"vpcshim: there is no machine named nobody on {node}"]
    assert "web01" in result.stdout


@pytest.mark.parametrize(
    "uri",
    [
        "nope:///system",
        "://",
        "qemu+bad:///system",
        "qemu+unix:///system?socket=/nonexistent/libvirt-sock",
        "test:///nonexistent/node.xml",
        "qemu+tcp://127.0.0.1:1/system",
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",), ("--watch",)])
def test_a_server_that_cannot_be_reached_is_one_line(uri: str, form: tuple[str, ...]) -> None:
    result = run("-c", uri, "accountant", *form)
    assert result.returncode == 2
    (line,) = stderr_lines(result)
    assert line.startswith(f"vpcshim: cannot connect to {uri}: ")


def test_the_environment_names_the_server(node: str) -> None:
    result = run("accountant", "web01", "--columns", "net-sent", VPCSHIM_URI=node)
    assert result.returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--json", "--csv"),
        ("--columns", "sent"),
        ("--columns", ","),
        ("--sort", "nothing"),
        ("--columns", "cpu", "--sort", "uptime"),
        ("--watch", "0"),
        ("--watch", "nan"),
        ("--timeout", "0"),
        ("--timeout", "nan"),
        ("--unreadable-nics", "maybe"),
        ("--nonsense",),
        ("-c", ""),
    ],
)
def test_wrong_usage(node: str, arguments: tuple[str, ...]) -> None:
    result = run("-c", node, "accountant", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert stderr_lines(result)


def test_several_servers(tmp_path: Path, node: str) -> None:
    other = write_node(tmp_path / "other.xml", machine("mail", 9))
    dead = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"
    result = run("-c", node, "accountant", "-c", dead, "-c", other, "-c", node, "--columns", "disk-read")
    assert result.returncode == 2
    rows = [line.split()[:3] for line in result.stdout.splitlines()]
    assert rows[0] == ["HOST", "NAME", "STATE"]
    assert [dead, "-", "unreachable"] in rows
    assert [other, "mail", "running"] in rows
    assert [node, "web01", "running"] in rows
    assert len(rows) == 1 + 1 + 4 + 1
    (line,) = stderr_lines(result)
    assert line.startswith(f"vpcshim: cannot connect to {dead}: ")


def test_a_machine_of_one_server_is_not_unknown(tmp_path: Path, node: str) -> None:
    other = write_node(tmp_path / "other.xml", machine("mail", 9))
    result = run("-c", node, "-c", other, "accountant", "mail", "web01", "--columns", "disk-read", "--json")
    assert result.returncode == 0
    assert [(one["host"], one["name"]) for one in json.loads(result.stdout)] == [(node, "web01"), (other, "mail")]


def test_a_reader_that_goes_away_ends_it_quietly(node: str) -> None:
    process = subprocess.Popen(
        command("-c", node, "accountant", "--watch", "0.1", "--columns", "net-sent"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 141
    # What could not be read was said; the pipe is not.
    assert b"ipe" not in process.stderr.read()
    process.stderr.close()


@pytest.mark.parametrize(
    "arguments",
    [("accountant", "web01", "--columns", "net-sent"), ("list",), ("api",), ("--version",), ("--help",)],
)
def test_a_full_disk_is_one_line(node: str, arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            command("-c", node, *arguments),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            timeout=60,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr == "vpcshim: standard output: No space left on device\n"


# -- accountant: watching ----------------------------------------------------------------------------------


def watch(*arguments: str, lines: int, end: int = signal.SIGINT) -> tuple[int, list[str]]:
    """Run until so many lines came, then end it; its exit code and the lines."""
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()
    )
    try:
        assert process.stdout is not None
        got = [process.stdout.readline().rstrip("\n") for _ in range(lines)]
        process.send_signal(end)
        rest, _ = process.communicate(timeout=60)
        assert "Traceback" not in rest
        return process.returncode, got
    finally:
        process.kill()
        process.communicate()


def about(rate: float, rates: Iterable[float]) -> bool:
    """Whether one of them is: who is kept waiting between the counter and the clock is off, and so is the next."""
    return any(one == pytest.approx(rate, rel=0.5) for one in rates)


def test_watch_prints_a_json_document_a_line(node: str) -> None:
    code, lines = watch(
        "-c", node, "accountant", "web01", "old", "--json", "--watch", "0.3", "--columns", "net-sent,cpu", lines=6
    )
    assert code == 0
    first, *more = (json.loads(line) for line in lines)
    assert first["machines"][0]["NetworkBytesSent"]["rate"] is None
    # The test driver sends 1/20 byte a microsecond.
    assert about(50_000, [later["machines"][0]["NetworkBytesSent"]["rate"] for later in more])
    for later in more:
        assert later["machines"][1]["NetworkBytesSent"] == {
            "value": 0,
            "hresult": "S_FALSE",
            "code": "0x00000001",
            "error": None,
            "rate": None,
        }
    times = [one["time"] for one in (first, *more)]
    assert times == sorted(set(times))


def test_watch_prints_a_block_a_round_and_takes_its_default_before_a_name(node: str) -> None:
    code, lines = watch("-c", node, "accountant", "--columns", "net-sent", "--watch", "web01", lines=11)
    assert code == 0
    assert lines[0].startswith("# ")
    assert lines[1].split() == ["NAME", "STATE", "NET-SENT", "NET-SENT/S"]
    assert lines[2].split()[3] == "-"
    assert lines[3] == ""
    assert lines[4].startswith("# ")
    assert about(50_000, [int(line.split()[3]) for line in lines[6::4]])


def test_watch_prints_csv_under_one_header(node: str) -> None:
    code, lines = watch(
        "-c", node, "accountant", "web01", "--csv", "--watch", "0.3", "--columns", "net-sent", lines=7
    )
    assert code == 0
    rows = list(csv.DictReader(lines))
    assert [row["name"] for row in rows] == ["web01"] * 6
    assert rows[0]["NetworkBytesSent.rate"] == ""
    assert about(50_000, [float(row["NetworkBytesSent.rate"]) for row in rows[1:]])
    assert rows[0]["time"] < rows[1]["time"]


def test_watch_ends_at_once_for_an_unknown_machine(node: str) -> None:
    result = run("-c", node, "accountant", "nobody", "--watch", "--json")
    assert result.returncode == 2
    assert stderr_lines(result) == [f"vpcshim: there is no machine named nobody on {node}"]


def on_terminal(*arguments: str, until: str | None = None, width: int = 80) -> tuple[int, str]:
    """The exit code and the output of a run on a terminal, ended by Ctrl-C when it shows that."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover
        os.environ.update(environment(), COLUMNS=str(width), LINES="24")
        os.execv(sys.executable, command(*arguments))
    shown = b""
    deadline = time.monotonic() + 90
    interrupted = False
    while True:
        there = until is not None and re.search(until, shown.decode(errors="replace"))
        if not interrupted and (there or time.monotonic() > deadline):
            os.write(terminal, b"\x03")
            interrupted = True
        try:
            if select.select([terminal], [], [], 0.1)[0]:
                piece = os.read(terminal, 65536)
                if not piece:
                    break
                shown += piece
        except OSError:
            break  # Linux says EIO when the other side is closed
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_a_terminal_gets_human_units(node: str) -> None:
    code, shown = on_terminal("-c", node, "accountant", "web01", "--columns", BYTES)
    assert code == 0
    assert re.search(r"web01\s+running\s+\d+ TiB\s+\d+ TiB", shown)
    assert "───" in shown


def test_bytes_on_a_terminal_are_exact(node: str) -> None:
    code, shown = on_terminal("-c", node, "accountant", "web01", "--columns", "net-sent", "--bytes")
    assert code == 0
    assert re.search(r"web01\s+running\s+\d{14}", shown)


def test_a_live_table_ends_by_ctrl_c_and_gives_the_cursor_back(node: str) -> None:
    row = r"web01\s+running\s+\d+ TiB\s+[2-7]\d KiB"
    code, shown = on_terminal(
        "-c", node, "accountant", "web01", "--columns", "net-sent", "--watch", "0.5", until=row
    )
    assert code == 0
    assert re.search(row, shown)
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l") >= 0
    assert "Traceback" not in shown


# -- the other commands ------------------------------------------------------------------------------------


def test_api_lists_the_accountant() -> None:
    result = run("api", "--json")
    assert result.returncode == 0
    listed = json.loads(result.stdout)
    assert set(listed) == {"virtual-server-2005", "windows-virtual-pc"}
    accountant = listed["virtual-server-2005"]["IVMAccountant"]
    assert accountant["iid"] == "{DB9F8B99-B758-42EC-B4CC-5F7359367088}"
    assert accountant["members"]["NetworkBytesSent"] == {
        "kind": "property",
        "access": "read-only",
        "dispid": "0x6002000b",
        "status": "implemented",
        "reason": None,
        "vartype": "VT_DECIMAL",
        "parameters": [],
    }
    keys = listed["virtual-server-2005"]["IVMKeyboard"]["members"]
    assert keys["PressKey"]["parameters"] == [{"name": "key", "vartype": "VT_BSTR"}]
    assert len(accountant["members"]) == 13
    assert len(listed["windows-virtual-pc"]["IVMAccountant"]["members"]) == 7
    collection = listed["windows-virtual-pc"]["IVMVirtualMachineCollection"]["members"]
    assert collection["_NewEnum"]["dispid"] == "0xfffffffc"


def test_api_as_a_table() -> None:
    result = run("api", "--product", "vpc", "ivmaccountant")
    header, *lines = result.stdout.splitlines()
    assert header.split()[:6] == ["product", "interface", "member", "kind", "access", "VARTYPE"]
    assert len(lines) == 7
    assert any(
        re.search(r"NetworkBytesSent +property +read-only +VT_DECIMAL +- +0x60020005 +implemented", x)
        for x in lines
    )


def test_api_knows_its_interfaces() -> None:
    result = run("api", "IVMNothing")
    assert result.returncode == 2
    assert len(stderr_lines(result)) == 1


def test_doctor(node: str) -> None:
    result = run("-c", node, "doctor", "--json")
    checks = {(one["check"], one["status"]): one for one in json.loads(result.stdout)}
    assert result.stderr == ""
    assert ("open read-only", "ok") in checks
    assert ("open read-write", "ok") in checks
    assert ("event loop", "ok") in checks
    assert "LIFECYCLE" in checks["events", "ok"]["text"]
    assert checks["bulk statistics", "warn"]["remedy"]
    assert checks["machines", "ok"]["text"] == "4, of which 3 are running"
    assert "slirp" in checks["NICs", "fail"]["text"]
    assert "skip" in checks["NICs", "fail"]["remedy"]
    assert checks["NICs", "ok"]["text"].startswith("2 of 3 ")
    assert "web01" in checks["scheduler parameters", "ok"]["text"]
    assert checks["UpTime", "warn"]["remedy"]
    assert result.returncode == 1


def test_doctor_says_which_programs_are_missing(tmp_path: Path) -> None:
    node = write_node(tmp_path / "fine.xml", machine("web01", 1))
    environment = {**os.environ, "PATH": str(tmp_path), "VPCSHIM_WINE": str(tmp_path / "no-wine")}
    command = [sys.executable, "-m", "vpcshim", "-c", node, "doctor", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    checks = {one["check"]: one for one in json.loads(result.stdout)}
    for topic, package in (("disk images", "qemu-utils"), ("VBScript, JScript", "wine64")):
        assert (checks[topic]["status"], checks[topic]["server"]) == ("warn", None)
        assert package in checks[topic]["remedy"]
    assert result.returncode == 0


def test_doctor_is_content(tmp_path: Path) -> None:
    node = write_node(tmp_path / "fine.xml", machine("web01", 1))
    result = run("doctor", "-c", node)
    assert result.returncode == 0
    assert all(line.startswith(("ok ", "warn ", "      -> ")) for line in result.stdout.splitlines())


@pytest.mark.parametrize(
    ("uri", "kind", "remedy"),
    [
        ("qemu+unix:///system?socket=/nonexistent/sock", "no daemon", "systemctl start libvirtd"),
        ("://", "bad URI", "qemu:///system"),
        ("nope:///system", "bad URI", "no driver of that name"),
        ("qemu+ssh://[::1/system", "bad URI", "qemu:///system"),
        ("test://[::1/default", "bad URI", "qemu:///system"),
        ("qemu+tcp://127.0.0.1:1/system", "no connection by tcp", "libvirtd-tcp.socket"),
    ],
)
def test_doctor_without_a_connection(uri: str, kind: str, remedy: str) -> None:
    result = run("-c", uri, "doctor", "--json")
    assert result.returncode == 2
    (opened,) = (one for one in json.loads(result.stdout) if one["check"] == "open read-only")
    assert opened["status"] == "fail"
    assert opened["text"].startswith(f"{kind}: ")
    assert remedy in opened["remedy"]
    assert result.stderr == ""


BAD_XML = """
import sys, libvirt
from vpcshim.cli.main import main
from vpcshim.hypervisor.errors import BadXml
{patch}
sys.exit(main())
"""
BAD_LISTED = """
real = libvirt.virDomain.XMLDesc
libvirt.virDomain.XMLDesc = lambda self, *args: "<domain" if self.name() == "db01" else real(self, *args)
"""
BAD_NICS = """
from vpcshim.hypervisor.nics.reader import NicReader
real = NicReader.read
def read(self, domain, *args):
    if domain.name() == "db01":
        raise BadXml("not XML")
    return real(self, domain, *args)
NicReader.read = read
"""


@pytest.mark.parametrize(("patch", "check", "running"), [(BAD_LISTED, "machines", 2), (BAD_NICS, "NICs", 3)])
def test_doctor_goes_on_after_a_machine_with_bad_xml(node: str, patch: str, check: str, running: int) -> None:
    code = BAD_XML.format(patch=patch)
    arguments = [sys.executable, "-c", code, "-c", node, "doctor", "--json"]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=60, env=environment(), check=False)
    checks = json.loads(result.stdout)
    (warned,) = (one for one in checks if (one["check"], one["status"]) == (check, "warn"))
    assert warned["text"].startswith("db01: ")
    assert any(one["text"] == f"4, of which {running} are running" for one in checks)
    assert any("web01" in one["text"] for one in checks if one["check"] == "UpTime")


STEERING = "evil&#x9b;31m"  # XML has no ESC; U+009B is the same as ESC [


@pytest.mark.parametrize(
    "form",
    [
        ("accountant",),
        ("accountant", "--csv"),
        ("accountant", "--json"),
        ("accountant", "--explain"),
        ("accountant", "--watch", "0.3"),
        ("accountant", "--csv", "--watch", "0.3"),
        ("doctor",),
    ],
)
def test_a_name_cannot_steer_the_terminal(tmp_path: Path, form: tuple[str, ...]) -> None:
    node = write_node(tmp_path / "evil.xml", machine(STEERING, 1, devices=UNCOUNTED))
    columns = ("--columns", "net-sent") if form[0] == "accountant" else ()
    name = r"evil\\(x|u00)9b31m"
    until = name if "--watch" in form else None
    _, shown = on_terminal("-c", node, *form, *columns, until=until, width=200)
    assert "\x9b" not in shown
    assert re.search(name, shown)


@pytest.mark.parametrize("arguments", [("--help",), ("accountant", "-h"), ("api", "-h"), ("doctor", "-h")])
def test_help_says_the_exit_codes_or_an_example(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.returncode == 0
    assert "Example" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_version() -> None:
    import vpcshim

    assert run("--version").stdout == f"vpcshim {vpcshim.__version__}\n"


def test_json_imports_no_more_than_it_needs(node: str) -> None:
    code = (
        "import sys; from vpcshim.cli.main import main; main(sys.argv[1:]);"
        "print(sorted({'rich', 'vpcshim.cli.api', 'vpcshim.cli.doctor', 'vpcshim.cli.table'} & set(sys.modules)),"
        "file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "-c", node, "accountant", "web01", "--json", "--columns", "net-sent"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    assert result.stderr == "[]\n"


# -- scripts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"import sys\0\n", "it holds NUL characters, which no script does"),
        ("print(1)\n".encode("utf-16"), "it is UTF-16, which Python does not read: save it as UTF-8"),
    ],
)
def test_what_python_cannot_read_is_refused_as_any_other_script(tmp_path: Path, data: bytes, why: str) -> None:
    script = tmp_path / "a.py"
    script.write_bytes(data)
    for verb, said in (("run", f"{script}: "), ("check", f"{script} cannot be checked: ")):
        done = run(verb, str(script))
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"vpcshim: {said}{why}\n")


def test_a_script_whose_server_cannot_be_reached_is_told_who_helps(tmp_path: Path) -> None:
    script = tmp_path / "a.py"
    hint = "vpcshim: `vpcshim doctor` says what to do about it"
    connects = "import sys, win32com.client\nwin32com.client.Dispatch('VirtualServer.Application')\n"
    handles = connects.replace("\nwin32com", "\ntry: win32com") + "except Exception: sys.exit(0)\n"
    for text, code in ((connects, 1), (handles, 0)):
        script.write_text(text)
        done = run("-c", "qemu+tcp://127.0.0.1:1/system", "run", str(script))
        assert done.returncode == code
        assert (hint in done.stderr.splitlines()) is bool(code), done.stderr
