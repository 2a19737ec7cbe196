"""What the host offers a script by name takes any argument: it works, or fails as a COM call does."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vpcshim.clients.calls import EMPTY, MISSING, Calls
from vpcshim.clients.scripting.frames import Kind, Remote, Writer
from vpcshim.clients.scripting.globals import Script
from vpcshim.clients.scripting.objects import HostObject
from vpcshim.clients.scripting.session import Quit
from vpcshim.clients.scripting.streams import Streams
from vpcshim.com.errors import ComError, Failure
from vpcshim.com.hresult import HRESULT

VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 5, 2**31 - 1, -(2**31), 1.5, 1e300, Decimal("79228162514264337593543950335")),
    *(float("nan"), float("inf"), float("-inf"), "", "abc", "5", "1e999999999", "nan", "\ud83d", "yyyy"),
    *(datetime(100, 1, 1), datetime(9999, 12, 31, 23, 59, 59), EMPTY, MISSING, Remote(1), (), (1, "a"), b"ab"),
)
slept: list[float] = []


def no_such(*_args: Any, **_named: Any) -> Any:
    raise ComError(HRESULT.DISP_E_MEMBERNOTFOUND)


def offered() -> Mapping[str, HostObject]:
    session = SimpleNamespace(
        call_object=no_such,
        call_script=no_such,
        create=no_such,
        get=no_such,
        parse=no_such,
        wait=lambda seconds, pump: slept.append(seconds),
    )
    script = Script(session, Calls(), no_such, HostObject())  # type: ignore[arg-type]
    streams = Streams(io.StringIO("one\ntwo\n"), io.StringIO(), io.StringIO())
    return script.names(Path("/x.vbs"), ("/a:b", "c", "/d+"), streams, batch=False)


def member(name: str, obj: HostObject, *args: Any) -> Any:
    number = obj.id_of(name)
    assert number is not None
    return obj.invoke(number, 1, args)


def objects() -> dict[str, HostObject]:
    names = dict(offered())
    wscript = names["WScript"]
    parts = {name: member(name, wscript) for name in ("Arguments", "StdIn", "StdOut")}
    return {**names, **parts, "Named": member("Named", parts["Arguments"])}


def test_no_argument_ends_the_run() -> None:
    """Whatever else is raised would end a script that handles its errors, as a defect of vpcshim."""
    calls = 0
    for obj in objects().values():
        for number in (*range(1, 60), 0, -4, *range(0x5458_0001, 0x5458_0040)):
            for args in ((), *itertools.product(VALUES, repeat=1), *itertools.product(VALUES, repeat=2), (1,) * 5):
                if number > 0x5458_0000 and not all(isinstance(value, str) or value is MISSING for value in args):
                    continue  # text is what these are given
                with contextlib.suppress(Failure, ComError, Quit):
                    value = obj.invoke(number, 1, args)
                    writer = Writer(Kind.RESULT, lambda _obj: (1, 1))
                    writer.value(tuple(value) if number == -4 else value)
                calls += 1
    assert calls > 100_000


@pytest.mark.parametrize(
    ("given", "seconds"), [("1500", 1.5), (20, 0.02), (2.6, 0.003), (EMPTY, 0), (" 5 ", 0.005)]
)
def test_sleep_takes_what_is_a_number_for_a_script(given: Any, seconds: float) -> None:
    slept.clear()
    member("Sleep", objects()["WScript"], given)
    assert slept == [seconds]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (float("nan"), HRESULT.DISP_E_OVERFLOW),
        ("1e999999999", HRESULT.DISP_E_OVERFLOW),
        (2.0**31, HRESULT.DISP_E_OVERFLOW),
        ("soon", HRESULT.DISP_E_TYPEMISMATCH),
        (None, HRESULT.DISP_E_TYPEMISMATCH),
        (-1, HRESULT.E_INVALIDARG),
    ],
)
def test_what_is_no_time_to_sleep(given: Any, code: HRESULT) -> None:
    with pytest.raises(Failure) as caught:
        member("Sleep", objects()["WScript"], given)
    assert caught.value.code is code


@pytest.mark.parametrize(("given", "code"), [("3", 3), (2.0, 2), (True, -1), (EMPTY, 0)])
def test_the_exit_code_is_converted_as_any_number(given: Any, code: int) -> None:
    with pytest.raises(Quit) as ended:
        member("Quit", objects()["WScript"], given)
    assert ended.value.code == code


@pytest.mark.parametrize("name", ["Arguments", "Named", "Unnamed"])
def test_too_many_indices_are_counted(name: str) -> None:
    found = objects()
    with pytest.raises(Failure) as caught:
        member(name, found["WScript"] if name == "Arguments" else found["Arguments"], 0, 1)
    assert caught.value.code is HRESULT.DISP_E_BADPARAMCOUNT
