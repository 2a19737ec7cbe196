"""What hooks make of a script's calls, and what is held for a script."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.sample import Sample
from vpcshim.clients.calls import MISSING, Calls, Hook, Use
from vpcshim.clients.hooks.dry_run import DryRun
from vpcshim.clients.hooks.strict import Fatal, Strict
from vpcshim.clients.pywin32.session import Session
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import find_member

# Calls that fail by their arguments alone, before they are converted.
WRONG = [
    ("Level", Use.PUT, (), {}, HRESULT.DISP_E_BADPARAMCOUNT),
    ("Level", Use.PUT, (1, 2), {}, HRESULT.DISP_E_BADPARAMCOUNT),  # Level(1) = 2
    ("ServerOnlyMethod", Use.CALL, (), {"unheard_of": 1}, HRESULT.DISP_E_PARAMNOTFOUND),
    ("Combine", Use.CALL, (MISSING, "x"), {}, HRESULT.DISP_E_PARAMNOTOPTIONAL),
]


def ended(name: str, use: Use, args: tuple[Any, ...], named: dict[str, Any], *hooks: Hook) -> HRESULT:
    member = find_member(sample := Sample(), name)
    assert member is not None
    code = Calls(*hooks).run(sample, member, use, args, named).code
    assert sample._calls == []
    return code


@pytest.mark.parametrize(("name", "use", "args", "named", "code"), WRONG)
def test_what_cannot_be_called_as_it_stands_fails_in_a_dry_run_too(
    name: str, use: Use, args: tuple[Any, ...], named: dict[str, Any], code: HRESULT
) -> None:
    assert ended(name, use, args, named) is code
    assert ended(name, use, args, named, DryRun()) is code


def test_strict_lets_no_wrong_call_go_on() -> None:
    strict = Strict()
    for _ in range(2):
        with pytest.raises(Fatal) as caught:
            ended(*WRONG[0][:-1], strict)
        assert caught.value is strict.fatal


def test_no_handler_is_lost_when_threads_connect_them_at_once() -> None:
    def sink(*, closed: bool = False) -> Any:
        return SimpleNamespace(_subscription_=SimpleNamespace(closed=closed))

    class Between:
        """Another thread gets its turn while this one is looked at."""

        @property
        def closed(self) -> bool:
            if others:
                session.hold(others.pop())
            return False

    session, second = Session(lambda *_: Sample(), Calls()), sink()
    others = [second]
    first: Any = SimpleNamespace(_subscription_=Between())
    third = sink()
    for one in (first, sink(closed=True), third):
        session.hold(one)
    assert {id(one) for one in session._held.values()} == {id(first), id(second), id(third)}
