"""NIC counters of all machines in one call: whether the driver has them, and what it left out."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import libvirt_error
from vpcshim.hypervisor.counters import Counters
from vpcshim.hypervisor.nics import bulk
from vpcshim.hypervisor.nics.bulk import BulkStats

STATE = libvirt.VIR_DOMAIN_STATS_STATE
BOTH = STATE | libvirt.VIR_DOMAIN_STATS_INTERFACE
ENFORCE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS


class FakeConnect:
    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.calls: list[tuple[int, int]] = []

    def getAllDomainStats(self, groups: int, flags: int) -> list[Any]:
        self.calls.append((groups, flags))
        if self.refusal is not None and groups == BOTH:
            raise self.refusal
        return [("domain", {"groups": groups})]


def test_with_nics_and_enforced() -> None:
    connect = FakeConnect()
    stats = BulkStats()
    for _ in range(2):
        assert stats.read(connect, with_nics=True) == ([("domain", {"groups": BOTH})], None)
    assert connect.calls == [(BOTH, ENFORCE)] * 2


def test_without_nics_they_are_not_asked_for() -> None:
    connect = FakeConnect()
    assert BulkStats().read(connect, with_nics=False) == (
        [("domain", {"groups": STATE})],
        "bulk statistics: not asked for",
    )
    assert connect.calls == [(STATE, 0)]


@pytest.mark.parametrize(
    "code",
    [
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
        libvirt.VIR_ERR_INVALID_ARG,
    ],
)
def test_a_refusal_is_remembered(code: int) -> None:
    connect = FakeConnect(libvirt_error(code, message="Stats types bits 0x10 are not supported"))
    stats = BulkStats()
    expected = ([("domain", {"groups": STATE})], "bulk statistics: Stats types bits 0x10 are not supported")
    for _ in range(3):
        assert stats.read(connect, with_nics=True) == expected
    assert connect.calls == [(BOTH, ENFORCE), (STATE, 0), (STATE, 0), (STATE, 0)]


@pytest.mark.parametrize(
    ("code", "domain"),
    [
        (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC),
        (libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_FROM_QEMU),
        (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU),
        (libvirt.VIR_ERR_OPERATION_DENIED, libvirt.VIR_FROM_NONE),
    ],
)
def test_other_errors_are_raised_and_not_remembered(code: int, domain: int) -> None:
    connect = FakeConnect(libvirt_error(code, domain))
    stats = BulkStats()
    with pytest.raises(libvirt.libvirtError):
        stats.read(connect, with_nics=True)
    connect.refusal = None
    assert stats.read(connect, with_nics=True)[1] is None


def test_states_that_are_refused() -> None:
    class Broken(FakeConnect):
        def getAllDomainStats(self, groups: int, flags: int) -> list[Any]:
            raise libvirt_error(libvirt.VIR_ERR_NO_SUPPORT)

    with pytest.raises(libvirt.libvirtError):
        BulkStats().read(Broken(), with_nics=True)


def nic(number: int, **values: object) -> dict[str, object]:
    return {f"net.{number}.{name.replace('_', '.')}": value for name, value in values.items()}


def test_nics_by_host_device() -> None:
    values = {
        "net.count": 2,
        **nic(0, name="vnet0", rx_bytes=1, tx_bytes=2, rx_pkts=9),
        **nic(1, name="vnet1", rx_bytes=0, tx_bytes=2**63),
    }
    assert bulk.nics_of(values) == {"vnet0": Counters(1, 2), "vnet1": Counters(0, 2**63)}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"state.state": 1},
        {"net.count": 0},
        {"net.count": 1},
        {"net.count": 1, **nic(0, name="vnet0")},
        {"net.count": 1, **nic(0, name="vnet0", rx_bytes=1)},
        {"net.count": 1, **nic(0, name="vnet0", tx_bytes=1)},
        {"net.count": 1, **nic(0, rx_bytes=1, tx_bytes=1)},
        nic(0, name="vnet0", rx_bytes=1, tx_bytes=1),
    ],
)
def test_what_is_missing_is_left_out_and_not_zero(values: dict[str, Any]) -> None:
    assert bulk.nics_of(values) == {}


def test_one_nic_left_out_does_not_shift_the_others() -> None:
    values = {
        "net.count": 3,
        **nic(0, name="vnet0", rx_bytes=1, tx_bytes=2),
        **nic(1, name="vnet1", rx_pkts=5),
        **nic(2, name="vnet2", rx_bytes=5, tx_bytes=6),
    }
    assert bulk.nics_of(values) == {"vnet0": Counters(1, 2), "vnet2": Counters(5, 6)}


NAMES = [f"net.{number}.{field}" for number in range(4) for field in ("name", "rx.bytes", "tx.bytes")]


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2**64)), st.integers(0, 4))
def test_only_what_is_complete(values: dict[str, Any], count: int) -> None:
    found = bulk.nics_of({**values, "net.count": count})
    whole = {
        values[f"net.{number}.name"]: Counters(values[f"net.{number}.rx.bytes"], values[f"net.{number}.tx.bytes"])
        for number in range(count)
        if all(f"net.{number}.{field}" in values for field in ("name", "rx.bytes", "tx.bytes"))
    }
    assert found == whole
