"""How accounts look: units, states, rates, JSON and CSV; without libvirt's help."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal
from typing import Any

import click
import pytest
from rich.console import Console

from tests.unit.fakes import domain_xml
from vpcshim.cli import render, table
from vpcshim.cli.collect import Report, Row
from vpcshim.cli.columns import COLUMNS, Column, find
from vpcshim.cli.rates import Pace, between
from vpcshim.cli.settings import seconds_from
from vpcshim.cli.text import aligned, one_line
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import Outcome
from vpcshim.constants import VMVMState
from vpcshim.hypervisor.counters import Reading
from vpcshim.hypervisor.domainxml import parse
from vpcshim.model import sweep
from vpcshim.model.sweep import Account

BIG = 2**64 + 1
SENT = COLUMNS[0]


def ok(value: object) -> Outcome:
    return Outcome(HRESULT.S_OK, value)


def failed(text: str) -> Outcome:
    return Outcome(HRESULT.DISP_E_EXCEPTION, None, text)


OFF = Outcome(HRESULT.S_FALSE, Decimal(0))


def row(
    name: str = "web01", at: float = 0.0, run: int | None = 1, state: Outcome | None = None, **values: Any
) -> Row:
    filled = {column.member: values.get(column.member, ok(Decimal(0))) for column in COLUMNS}
    return Row(
        "test:///x", Account(name, f"uuid-{name}", state or ok(VMVMState.vmVMState_Running), filled, at, run)
    )


def test_the_columns_are_the_sweeps() -> None:
    assert tuple(column.member for column in COLUMNS) == sweep.COLUMNS


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_468_006, "1.4 MiB"),
        (10_188, "9.9 KiB"),
        (10_230, "10 KiB"),
        (1024 * 1023, "1023 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (2**30 * 17, "17 GiB"),
        (2**64, "16 EiB"),
        (2**96 - 1, "65536 YiB"),
        (0.4, "0 B"),
    ],
)
def test_bytes_for_people(count: float, text: str) -> None:
    assert render.human_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00:00"), (59, "00:00:59"), (86_399, "23:59:59"), (86_400, "1d 00:00:00"), (273_906, "3d 04:05:06")],
)
def test_uptime_for_people(seconds: int, text: str) -> None:
    assert render.human_seconds(seconds) == text


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (VMVMState.vmVMState_Invalid, "invalid"),
        (VMVMState.vmVMState_TurnedOff, "off"),
        (VMVMState.vmVMState_Saved, "saved"),
        (VMVMState.vmVMState_Running, "running"),
        (VMVMState.vmVMState_Paused, "paused"),
        (VMVMState.vmVMState_TurningOff, "turning off"),
        (VMVMState.vmVMState_TurningOn, "turning on"),
    ],
)
def test_states_in_words(state: VMVMState, text: str) -> None:
    assert render.state_label(ok(state)) == text
    assert render.state_label(ok(int(state))) == text


def test_a_state_that_cannot_be_read_is_an_error() -> None:
    assert render.state_label(failed("gone")) == "error"


@pytest.mark.parametrize(
    ("outcome", "column", "human", "text"),
    [
        (OFF, SENT, True, "-"),
        (failed("no"), SENT, True, "error"),
        (ok(Decimal(BIG)), SENT, False, str(BIG)),
        (ok(Decimal(2048)), SENT, True, "2.0 KiB"),
        (ok(7), COLUMNS[4], True, "7%"),
        (ok(7), COLUMNS[4], False, "7"),
        (ok(61), COLUMNS[5], True, "00:01:01"),
        (ok(61), COLUMNS[5], False, "61"),
    ],
)
def test_cells(outcome: Outcome, column: Column, human: bool, text: str) -> None:
    assert render.cell(outcome, column, human=human) == text


def test_exact_bytes_leave_uptime_to_people() -> None:
    assert render.cell(ok(Decimal(2048)), SENT, human=True, exact_bytes=True) == "2048"
    assert render.cell(ok(61), COLUMNS[5], human=True, exact_bytes=True) == "00:01:01"


# -- rates -------------------------------------------------------------------------------------------------


def test_a_rate_is_the_difference_by_the_time_between() -> None:
    before = row(at=10.0, NetworkBytesSent=ok(Decimal(BIG)))
    after = row(at=12.5, NetworkBytesSent=ok(Decimal(BIG + 1000)))
    assert between(before, after)["NetworkBytesSent"] == 400.0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(ok(Decimal(10)), ok(Decimal(9)), id="went down"),
        pytest.param(OFF, ok(Decimal(9)), id="was off"),
        pytest.param(ok(Decimal(9)), OFF, id="is off"),
        pytest.param(failed("x"), ok(Decimal(9)), id="was unreadable"),
        pytest.param(ok(Decimal(9)), failed("x"), id="is unreadable"),
    ],
)
def test_no_rate(before: Outcome, after: Outcome) -> None:
    rates = between(row(at=1, NetworkBytesSent=before), row(at=2, NetworkBytesSent=after))
    assert "NetworkBytesSent" not in rates
    assert rates["DiskBytesRead"] == 0.0


@pytest.mark.parametrize(("before", "after"), [(1, 2), (None, 2), (1, None), (None, None)])
def test_a_machine_that_was_started_anew_has_no_rate(before: int | None, after: int | None) -> None:
    first = row(at=1, run=before, NetworkBytesSent=ok(Decimal(5)))
    assert between(first, row(at=2, run=after, NetworkBytesSent=ok(Decimal(50)))) == {}


def drives_read(of: Row, at: float, run: int = 1) -> Row:
    reading = Reading(parse(domain_xml(number=run)), (), at)
    return replace(of, account=replace(of.account, drives=reading))


def test_the_drives_have_a_pace_of_their_own() -> None:
    """They were read two seconds late once: a monitor was waited for."""
    before = drives_read(row(at=10.0), 12.0)
    after = drives_read(row(at=14.0, NetworkBytesSent=ok(Decimal(40)), DiskBytesRead=ok(Decimal(40))), 14.0)
    rates = between(before, after)
    assert (rates["NetworkBytesSent"], rates["DiskBytesRead"]) == (10.0, 20.0)


def test_the_drives_of_a_later_run_have_no_rate() -> None:
    """The machine was started anew after its NICs were read, and before its drives were."""
    after = drives_read(row(at=2, DiskBytesRead=ok(Decimal(50))), 2, run=2)
    rates = between(drives_read(row(at=1), 1), after)
    assert "DiskBytesRead" not in rates
    assert rates["NetworkBytesSent"] == 0.0


def test_the_pace_tells_machines_of_one_name_apart() -> None:
    pace = Pace()
    here, there = row(at=1), Row("test:///y", row(at=1).account)
    assert pace.of([Report("test:///x", [here]), Report("test:///y", [there])]) == {}
    later = row(at=2, NetworkBytesSent=ok(Decimal(7)))
    rates = pace.of([Report("test:///x", [later]), Report("test:///y", failure=failed("dead"))])
    assert list(rates) == [("test:///x", "uuid-web01")]
    assert rates["test:///x", "uuid-web01"]["NetworkBytesSent"] == 7.0
    # After a round in which its server was dead there is nothing to compare with.
    back = pace.of([Report("test:///y", [Row("test:///y", row(at=3).account)])])
    assert back == {}


# -- JSON and CSV ------------------------------------------------------------------------------------------


def test_the_json_of_a_machine() -> None:
    document = render.machine(row(NetworkBytesSent=ok(Decimal(BIG)), UpTime=failed("nobody knows")), COLUMNS)
    assert list(document) == [
        *("host", "name", "uuid", "state", "state_number", "hresult", "code", "error"),
        *(column.member for column in COLUMNS),
    ]
    assert document["state"] == "running"
    assert document["state_number"] == 5
    assert (document["hresult"], document["code"], document["error"]) == ("S_OK", "0x00000000", None)
    sent = document["NetworkBytesSent"]
    assert sent == {"value": BIG, "hresult": "S_OK", "code": "0x00000000", "error": None}
    assert type(sent["value"]) is int
    assert document["UpTime"] == {
        "value": None,
        "hresult": "DISP_E_EXCEPTION",
        "code": "0x80020009",
        "error": "nobody knows",
    }


def test_a_machine_that_is_off_is_zero_with_s_false() -> None:
    document = render.machine(row(state=ok(1), NetworkBytesSent=OFF), COLUMNS)
    assert document["state"] == "off"
    assert document["NetworkBytesSent"] == {"value": 0, "hresult": "S_FALSE", "code": "0x00000001", "error": None}


def test_rates_in_json_are_of_bytes_only() -> None:
    document = render.machine(row(), COLUMNS, {"NetworkBytesSent": 1 / 3})
    assert document["NetworkBytesSent"]["rate"] == 0.333
    assert document["DiskBytesRead"]["rate"] is None
    assert "rate" not in document["UpTime"]
    assert "rate" not in render.machine(row(), COLUMNS)["NetworkBytesSent"]


def test_a_server_without_answer_has_the_form_of_a_machine() -> None:
    document = render.unlisted(Report("qemu:///x"), failed("no daemon"), COLUMNS)
    assert list(document) == list(render.machine(row(), COLUMNS))
    assert document["name"] is None
    assert document["NetworkBytesSent"]["value"] is None
    assert document["error"] == document["UpTime"]["error"] == "no daemon"


@pytest.mark.parametrize("rates", [False, True])
def test_csv_has_a_field_under_each_header(rates: bool) -> None:
    header = render.csv_header(COLUMNS, rates=rates)
    document = render.machine(
        row(NetworkBytesSent=failed("NIC 2\ncannot"), UpTime=failed("nobody")), COLUMNS, {"DiskBytesRead": 2.5}
    )
    line = dict(zip(header, render.csv_line(document, COLUMNS, rates=rates), strict=True))
    assert line["name"] == "web01"
    assert line["NetworkBytesSent"] is None
    assert line["NetworkBytesSent.hresult"] == "DISP_E_EXCEPTION"
    assert line["NetworkBytesSent.code"] == "0x80020009"
    assert line["DiskBytesRead"] == 0
    assert line["error"] == "NIC 2 cannot; nobody"
    assert line.get("DiskBytesRead.rate") == (2.5 if rates else None)
    assert ("DiskBytesRead.rate" in line) is rates
    assert "UpTime.rate" not in line


def test_csv_names_cannot_steer_the_terminal_and_are_kept_otherwise() -> None:
    for name, shown in (
        ("\x1b[2Jx", r"\x1b[2Jx"),
        ("a\n\x9bb", r"a\n\x9bb"),
        ("=1+1  x", "=1+1  x"),
        ("@é", "@é"),
    ):
        line = render.csv_line(render.machine(row(name), COLUMNS), COLUMNS, rates=False)
        assert line[1] == shown


# -- notes and order ---------------------------------------------------------------------------------------


def test_a_note_names_the_columns_and_says_each_reason_once() -> None:
    why = failed("web01: NIC 1 (type user) cannot be read")
    report = Report("h", [row(NetworkBytesSent=why, NetworkBytesReceived=why), row("fine")])
    lines = render.notes([report], COLUMNS, with_host=False)
    assert lines == ["web01: net-sent, net-received: NIC 1 (type user) cannot be read"]


def test_a_machine_of_which_nothing_can_be_read_is_one_note() -> None:
    gone = failed("gone")
    everything: dict[str, Any] = dict.fromkeys((column.member for column in COLUMNS), gone)
    report = Report("h", [row(state=gone, **everything)])
    assert render.notes([report], COLUMNS, with_host=True) == ["h: web01: gone"]


def test_a_dead_server_is_one_note_that_names_it_once() -> None:
    told = {"h1": "cannot connect to h1: no", "h2": "no answer", "k": "a broken link"}
    reports = [Report(host, failure=failed(why)) for host, why in told.items()]
    way_out = "(`vpcshim doctor` says what to do about it)"
    notes = [f"cannot connect to h1: no {way_out}", f"h2: no answer {way_out}", f"k: a broken link {way_out}"]
    assert render.notes(reports, COLUMNS, with_host=True) == notes


def test_the_greatest_comes_first_and_what_has_no_number_last() -> None:
    rows = [
        row("off", NetworkBytesSent=OFF),
        row("small", NetworkBytesSent=ok(Decimal(1))),
        row("broken", NetworkBytesSent=failed("x")),
        row("large", NetworkBytesSent=ok(Decimal(BIG))),
    ]
    names = [one.account.name for one in render.ordered(rows, "net-sent", COLUMNS)]
    assert names == ["large", "small", "off", "broken"]
    assert [one.account.name for one in render.ordered(rows, "name", COLUMNS)] == [
        "broken",
        "large",
        "off",
        "small",
    ]


def test_plain_tables_align() -> None:
    assert aligned(["NAME", "N"], [["a b", "1"], ["c", "100"]], left=1) == "NAME    N\na b     1\nc     100\n"


def test_text_of_others_cannot_steer_the_terminal() -> None:
    assert one_line("a\x1b[31m\n b\t\u202ec") == r"a\x1b[31m b \u202ec"


@pytest.mark.parametrize("name", ["net-sent", "NET-SENT", "NetworkBytesSent", " networkbytessent "])
def test_columns_by_key_or_member(name: str) -> None:
    assert find(name) is SENT


def test_an_unknown_column() -> None:
    assert find("sent") is None


# -- the terminal's table ----------------------------------------------------------------------------------


def drawn(rows: list[Row], width: int, layout: table.Layout) -> list[str]:
    console = Console(width=width, force_terminal=True, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        table.show(console, table.Grid([], rows, layout))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [20, 80, 120])
def test_a_number_is_never_cut_but_a_name_is(width: int) -> None:
    values: dict[str, Any] = {column.member: ok(Decimal(123_456_789_012_345)) for column in COLUMNS[:4]}
    rows = [row("a-name-that-is-longer-than-there-is-room-for-" + "x" * 80, **values)]
    lines = drawn(rows, width, table.Layout(COLUMNS, exact_bytes=True))
    assert lines[-1].count("123456789012345") == 4
    assert "…" in lines[-1]


def test_the_table_fits_eighty_columns() -> None:
    values: dict[str, Any] = {column.member: ok(Decimal(1023 * 1024)) for column in COLUMNS[:4]}
    values |= {"CPUUtilization": ok(100), "UpTime": ok(9_999_999)}
    rows = [row("a-name-that-is-longer-than-there-is-room-for", **values)]
    lines = drawn(rows, 80, table.Layout(COLUMNS))
    assert max(map(len, lines)) <= 80
    assert "1023 KiB" in lines[-1]
    assert "115d 17:46:39" in lines[-1]
    assert "running" in lines[-1]


def test_names_are_no_markup() -> None:
    assert drawn([row("[red]x[/red]")], 120, table.Layout(COLUMNS))[-1].startswith("[red]x[/red]")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5, -1.0, 86401.0, 1e308])
def test_seconds_are_neither_too_few_nor_too_many(value: float) -> None:
    command = click.Command("x")
    with pytest.raises(click.BadParameter, match="from 1 to 86400"):
        seconds_from(1)(click.Context(command), click.Option(["--x"]), value)


def test_log_lines_are_single_and_without_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    from vpcshim.cli import logs

    root = logging.getLogger("vpcshim")
    handlers, level = root.handlers[:], root.level
    try:
        logs.set_up(verbose=False)
        logs.set_up(verbose=False)
        logging.getLogger("vpcshim.x").warning("two\nlines", exc_info=ValueError("inner"))
        logging.getLogger("vpcshim.x").info("not this")
    finally:
        root.handlers[:], root.level = handlers, level
    assert capsys.readouterr().err == "vpcshim: two lines\n"
