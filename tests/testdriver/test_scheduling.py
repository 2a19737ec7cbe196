"""Capacities, weight and SetSchedulingParameters: ranges, refusals, and nothing changed by what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from tests.testdriver.support import VPC, accountant, code_of, raw
from vpcshim import HRESULT, VT, ComError
from vpcshim.testing import Machine, Node, NodeBuilder

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG


@pytest.mark.parametrize(
    ("cpus", "vcpus", "most"),
    [(1, 1, 100.0), (2, 1, 50.0), (4, 1, 25.0), (4, 2, 50.0), (2, 8, 100.0), (3, 1, 100 / 3)],
)
@pytest.mark.parametrize("member", ["AllowableReservedSystemCapacity", "AllowableMaximumSystemCapacity"])
def test_what_is_allowed_follows_from_the_host(
    vpcshim_node: NodeBuilder, cpus: int, vcpus: int, most: float, member: str
) -> None:
    account = accountant(vpcshim_node(Machine("web", vcpus=vcpus), cpus=cpus), "web")
    code, out = raw(account, member)
    assert (code, out.vt, out.value) == (HRESULT.S_OK, VT.R8, pytest.approx(most))
    assert account.MaximumSystemCapacity == pytest.approx(most)  # without a limit


def metadata(node: Node) -> str:
    with node.connection() as connect:
        text: str = connect.lookupByName("web").XMLDesc()
    return text


@pytest.mark.parametrize(
    ("reserved", "maximum", "weight", "named"),
    [
        (-0.1, 50, 100, "reservedSystemCapacity"),
        (50.1, 50, 100, "reservedSystemCapacity"),
        (math.nan, 50, 100, "reservedSystemCapacity"),
        (0, 0.99, 100, "maxSystemCapacity"),
        (0, 50.1, 100, "maxSystemCapacity"),
        (0, math.nan, 100, "maxSystemCapacity"),
        (0, math.inf, 100, "maxSystemCapacity"),
        (0, 50, 0, "relativeWeight"),
        (0, 50, 10_001, "relativeWeight"),
        (0, 50, -1, "relativeWeight"),
    ],
)
def test_what_is_out_of_range_changes_nothing(
    vpcshim_node: NodeBuilder, reserved: float, maximum: float, weight: int, named: str
) -> None:
    node = vpcshim_node(Machine("web", vcpus=2, reserve=7), cpus=4)
    account = accountant(node, "web")
    before = metadata(node)
    assert account.raw_SetSchedulingParameters(reserved, maximum, weight) is HRESULT.E_INVALIDARG
    with pytest.raises(ComError, match=named) as caught:
        account.SetSchedulingParameters(reserved, maximum, weight)
    assert caught.value.scode == HRESULT.E_INVALIDARG
    assert metadata(node) == before
    assert account.ReservedSystemCapacity == 7.0


def test_the_test_driver_cannot_hold_it_and_nothing_changes(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web", vcpus=2, reserve=7), cpus=4)
    account = accountant(node, "web")
    before = metadata(node)
    with pytest.raises(ComError, match="this driver keeps no scheduler parameters") as caught:
        account.SetSchedulingParameters(10.0, 50.0, 200)
    assert caught.value.scode == HRESULT.DISP_E_EXCEPTION
    assert metadata(node) == before


@pytest.mark.parametrize("args", [(), (1.0,), (1.0, 2.0), (1.0, 2.0, 3, 4)])
def test_a_wrong_count_of_arguments(vpcshim_node: NodeBuilder, args: tuple[Any, ...]) -> None:
    account = accountant(vpcshim_node("web"), "web")
    assert account.raw_SetSchedulingParameters(*args) is HRESULT.DISP_E_BADPARAMCOUNT


# -- with a scheduler that holds what it is given, as QEMU's ---------------------------------------------------


class Scheduler:
    """The scheduler parameters of one domain by place."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, refuses: Callable[[int], bool] = lambda place: False
    ) -> None:
        whole = {"cpu_shares": 1024, "vcpu_period": 100_000, "vcpu_quota": -1}
        self.places = {LIVE: dict(whole), CONFIG: dict(whole)}

        def put(_domain: libvirt.virDomain, values: dict[str, int], place: int) -> int:
            if refuses(place):
                error = libvirt.libvirtError("refused")
                error.err = (
                    libvirt.VIR_ERR_OPERATION_FAILED,
                    libvirt.VIR_FROM_QEMU,
                    "refused",
                    2,
                    "",
                    "",
                    "",
                    0,
                    0,
                )
                raise error
            self.places[place].update(values)
            return 0

        monkeypatch.setattr(libvirt.virDomain, "schedulerParameters", lambda _: dict(self.places[LIVE]))
        monkeypatch.setattr(
            libvirt.virDomain, "schedulerParametersFlags", lambda _, place: dict(self.places[place])
        )
        monkeypatch.setattr(libvirt.virDomain, "setSchedulerParametersFlags", put)


def test_what_is_set_is_read_back(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    node = vpcshim_node(Machine("web", vcpus=2), cpus=4)
    account = accountant(node, "web")
    scheduler = Scheduler(monkeypatch)
    assert code_of(account, "SetSchedulingParameters", 10.0, 25.0, 200) is HRESULT.S_OK
    assert (account.ReservedSystemCapacity, account.MaximumSystemCapacity, account.RelativeWeight) == (10, 25, 200)
    # A quarter of four CPUs is one CPU, so half of each of its two.
    assert scheduler.places[LIVE] == {"cpu_shares": 200, "vcpu_period": 100_000, "vcpu_quota": 50_000}
    assert scheduler.places[CONFIG] == scheduler.places[LIVE]
    assert node.application().AvailableSystemCapacity == 90.0


def test_the_most_that_is_allowed_is_no_limit(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    account = accountant(vpcshim_node(Machine("web", vcpus=2), cpus=4), "web")
    scheduler = Scheduler(monkeypatch)
    account.SetSchedulingParameters(0, 50, 1)
    assert scheduler.places[LIVE]["vcpu_quota"] == -1
    assert account.MaximumSystemCapacity == 50.0


@pytest.mark.parametrize("place", [LIVE, CONFIG])
def test_half_a_refusal_is_undone(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    node = vpcshim_node(Machine("web", vcpus=2, reserve=7), cpus=4)
    account = accountant(node, "web")
    scheduler = Scheduler(monkeypatch, refuses=lambda asked: asked == place)
    before = {place: dict(values) for place, values in scheduler.places.items()}
    assert code_of(account, "SetSchedulingParameters", 10.0, 25.0, 200) is HRESULT.DISP_E_EXCEPTION
    assert scheduler.places == before
    assert account.ReservedSystemCapacity == 7.0


def test_a_limit_of_the_whole_machine_counts_and_is_lifted(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = accountant(vpcshim_node(Machine("web", vcpus=2), cpus=4), "web")
    scheduler = Scheduler(monkeypatch)
    for values in scheduler.places.values():
        values.update(global_period=100_000, global_quota=20_000)
    assert account.MaximumSystemCapacity == 5.0
    account.SetSchedulingParameters(0, 25, 200)
    assert account.MaximumSystemCapacity == 25.0
    assert {values["global_quota"] for values in scheduler.places.values()} == {-1}


def test_no_weight_is_set(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    account = accountant(vpcshim_node(Machine("web", vcpus=2), cpus=4), "web")
    untuned = dict.fromkeys(("cpu_shares", "vcpu_period", "vcpu_quota", "global_period", "global_quota"), 0)
    Scheduler(monkeypatch).places[LIVE].update(untuned)
    with pytest.raises(ComError, match="no weight is set, and the host's default applies") as caught:
        _ = account.RelativeWeight
    assert caught.value.scode == HRESULT.DISP_E_EXCEPTION
    assert account.MaximumSystemCapacity == 50.0


def test_virtual_pc_has_none_of_it(vpcshim_node: NodeBuilder) -> None:
    account = accountant(vpcshim_node("web"), "web", VPC)
    for name in ("RelativeWeight", "SetSchedulingParameters", "MaximumSystemCapacity"):
        with pytest.raises(ComError) as caught:
            getattr(account, name)
        assert caught.value.hresult == HRESULT.DISP_E_UNKNOWNNAME
        assert not hasattr(account, f"get_{name}")
