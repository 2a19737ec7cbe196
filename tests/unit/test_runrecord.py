"""The record of one run in the live domain's metadata, and the settings in the definition's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.unit.fakes import FakeDomain, domain_xml
from vpcshim.hypervisor import domainxml, runrecord, settings
from vpcshim.hypervisor.counters import Counters
from vpcshim.hypervisor.domainxml import RUN_NS, SETTINGS_NS, Disk, DomainXml, Nic
from vpcshim.hypervisor.errors import BadXml
from vpcshim.hypervisor.runrecord import RunRecord, since_reset
from vpcshim.hypervisor.settings import Settings

NIC = Nic(1, "bridge", "52:54:00:00:00:01", "vnet0", "vnet0")
DISK = Disk("vda", "disk")
BOOT = "5dfae28c-6d4e-4d4e-8f5c-000000000001"

# As libvirt prints it: with what is below the root in the namespace too, or (`bare`) without.
PRINTED = f"""<vpcshim-run:run xmlns:vpcshim-run="urn:vpcshim:run:1" domain="5" boot="{BOOT}"
    started="1700000000.250">
  <counters key="nic:vnet0:52:54:00:00:00:01" into="10" out="20"/>
  <counters key="drive:vda" into="30"/>
</vpcshim-run:run>"""


def live(metadata: str, number: int | None = 5) -> DomainXml:
    return domainxml.parse(domain_xml(metadata=metadata, number=number))


def prefixed(text: str) -> str:
    return text.replace("<counters", "<vpcshim-run:counters")


def as_libvirt_prints(domain: FakeDomain) -> str:
    """The metadata that was set last, in the form in which libvirt keeps it: in the namespace."""
    _, text, prefix, uri, _ = domain.metadata[-1]
    root = etree.fromstring(text)
    renamed = etree.Element(
        f"{{{uri}}}{root.tag!s}", {str(k): str(v) for k, v in root.attrib.items()}, {prefix: uri}
    )
    renamed.extend(list(root))
    for child in renamed:
        child.tag = f"{{{uri}}}{child.tag!s}"
    return etree.tostring(renamed, encoding="unicode")


@pytest.mark.parametrize("text", [PRINTED, prefixed(PRINTED)], ids=["bare", "prefixed"])
def test_what_libvirt_prints_is_read(text: str) -> None:
    record = runrecord.read(live(text), BOOT)
    assert record == RunRecord(
        5, BOOT, 1700000000.25, {"nic:vnet0:52:54:00:00:00:01": Counters(10, 20), "drive:vda": Counters(30, None)}
    )
    assert {runrecord.key_of(NIC), runrecord.key_of(DISK)} == record.baseline.keys()


def test_write_calls_libvirt_for_the_running_domain() -> None:
    domain = FakeDomain(domain_xml())
    runrecord.write(domain, RunRecord(5, BOOT, 1.0, {"drive:vda": Counters(1, None)}))
    ((kind, text, prefix, uri, flags),) = domain.metadata
    assert kind == libvirt.VIR_DOMAIN_METADATA_ELEMENT
    assert (prefix, uri) == ("vpcshim-run", RUN_NS)
    assert flags == libvirt.VIR_DOMAIN_AFFECT_LIVE
    assert text == (f'<run domain="5" boot="{BOOT}" started="1.000000"><counters key="drive:vda" into="1"/></run>')


COUNTS = st.none() | st.integers(0, 2**96)
KEYS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=20)


@given(
    st.integers(0, 2**31 - 1),
    st.none() | st.just(BOOT),
    st.none() | st.integers(0, 2**41).map(lambda thousandths: thousandths / 1000),
    st.dictionaries(KEYS, st.builds(Counters, COUNTS, COUNTS), max_size=5),
)
def test_round_trip(number: int, boot: str | None, started: float | None, baseline: dict[str, Counters]) -> None:
    record = RunRecord(number, boot, started, baseline, "12.345", 17.5, frozenset({"drives"}))
    domain = FakeDomain(domain_xml())
    runrecord.write(domain, record)
    assert runrecord.read(live(as_libvirt_prints(domain), number), boot, "12.345") == record
    assert runrecord.read(live(as_libvirt_prints(domain), number), boot) == record
    assert runrecord.read(live(as_libvirt_prints(domain), number), boot, "13.345") is None


@pytest.mark.parametrize(
    ("number", "boot", "found"),
    [
        (5, BOOT, True),
        (5, None, True),  # a host elsewhere: its boot id is not known
        (6, BOOT, False),
        (50, BOOT, False),
        (6, None, False),
        (None, BOOT, False),
        (5, BOOT.replace("1", "2"), False),
    ],
)
def test_a_record_of_another_run_is_void(number: int | None, boot: str | None, found: bool) -> None:
    assert (runrecord.read(live(PRINTED, number), boot) is not None) is found


def test_a_record_of_a_writer_elsewhere_holds_elsewhere_only() -> None:
    elsewhere = PRINTED.replace(f' boot="{BOOT}"', "")
    assert runrecord.read(live(elsewhere), BOOT) is None
    record = runrecord.read(live(elsewhere), None)
    assert record is not None
    assert record.boot_id is None


def test_no_record() -> None:
    assert runrecord.read(live(""), BOOT) is None
    assert runrecord.read(live("<run domain='5'/>"), BOOT) is None
    assert runrecord.read(live(f"<run xmlns='{RUN_NS}'/>"), BOOT) is None


@pytest.mark.parametrize("damage", ["x", "", "1.5", "-1", "1e3", "0x10", " 1", "1_000", "٣", "NaN", "9" * 5000])
@pytest.mark.parametrize("attribute", ["into", "out"])
def test_damaged_counters(attribute: str, damage: str) -> None:
    text = f"<r:run xmlns:r='{RUN_NS}' domain='5'><counters key='drive:vda' {attribute}='{damage}'/></r:run>"
    with pytest.raises(BadXml, match="web01"):
        runrecord.read(live(text), None)


@pytest.mark.parametrize("damage", ["x", "", "yesterday", "nan", "inf", "-inf", "1e999"])
def test_damaged_start(damage: str) -> None:
    with pytest.raises(BadXml, match="web01"):
        runrecord.read(live(f"<r:run xmlns:r='{RUN_NS}' domain='5' started='{damage}'/>"), None)


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_whatever_others_wrote_is_read_or_refused(started: str, into: str, out: str) -> None:
    element = etree.Element(f"{{{RUN_NS}}}run", domain="5")
    try:
        element.set("started", started)
        etree.SubElement(element, "counters", key="drive:vda", into=into, out=out)
    except ValueError:
        return  # no XML at all
    try:
        record = runrecord.read(live(etree.tostring(element, encoding="unicode")), None)
    except BadXml:
        return
    assert record is not None
    kept = since_reset(DISK, Counters(100, 100), record)
    assert 0 <= (kept.into or 0) <= 100
    assert 0 <= (kept.out or 0) <= 100


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_since_reset(into: int | None, out: int | None, base_into: int | None, base_out: int | None) -> None:
    now = Counters(into, out)
    record = RunRecord(5, baseline={runrecord.key_of(NIC): Counters(base_into, base_out)})
    got = since_reset(NIC, now, record)
    for value, base, counted in ((into, base_into, got.into), (out, base_out, got.out)):
        if value is None:
            assert counted is None
            continue
        assert counted is not None
        assert 0 <= counted <= value
        assert counted == (value - base if base is not None and base <= value else value)
    assert since_reset(DISK, now, record) == now  # another device
    assert since_reset(NIC, now, None) == now


def test_baselines_are_kept_by_host_device_and_mac() -> None:
    base = {runrecord.key_of(NIC): Counters(5, 5)}
    record = RunRecord(5, baseline=base)
    now = Counters(7, 7)
    assert since_reset(NIC._replace(position=3), now, record) == Counters(2, 2)
    assert since_reset(NIC._replace(mac="52:54:00:00:00:02"), now, record) == now
    assert since_reset(NIC._replace(target="vnet1"), now, record) == now
    assert since_reset(NIC._replace(target=None), now, record) == now


def test_without_the_devices_that_are_gone() -> None:
    record = RunRecord(5, BOOT, 1.0, {"a": Counters(1, 1), "b": Counters(2, 2)})
    assert runrecord.without(record, {"a", "x"}) == RunRecord(5, BOOT, 1.0, {"b": Counters(2, 2)})
    assert record.baseline.keys() == {"a", "b"}


def test_boot_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "boot_id"
    file.write_text(f"{BOOT}\n")
    for path, expected in ((file, BOOT), (tmp_path / "none", None)):
        monkeypatch.setattr(runrecord, "_BOOT_ID", path)
        runrecord.local_boot_id.cache_clear()
        assert runrecord.local_boot_id() == expected
    runrecord.local_boot_id.cache_clear()


# -- settings ----------------------------------------------------------------------------------------------


_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0xFFFD, exclude_categories=["Cs"]), max_size=20)
_VALUES = st.one_of(_TEXT, st.booleans(), st.integers(), st.binary(max_size=20))


@given(
    st.builds(
        Settings,
        st.floats(0, 100),
        _TEXT,
        st.dictionaries(_TEXT, _VALUES, max_size=3),
        st.dictionaries(st.integers(0, 11), _TEXT, max_size=2),
    )
)
def test_settings_round_trip(wanted: Settings) -> None:
    domain: Any = FakeDomain(domain_xml(), active=False)
    settings.change(domain, lambda _: wanted)
    _, text, prefix, uri, flags = domain.metadata[0]
    assert (prefix, uri) == ("vpcshim", SETTINGS_NS)
    assert flags == libvirt.VIR_DOMAIN_AFFECT_CONFIG
    assert settings.read(live(as_libvirt_prints(domain))) == wanted
    assert etree.fromstring(text).tag == "settings"


CONFIG, LIVE = libvirt.VIR_DOMAIN_AFFECT_CONFIG, libvirt.VIR_DOMAIN_AFFECT_LIVE


@pytest.mark.parametrize(
    ("active", "persistent", "config", "asked", "flags"),
    [
        (True, 1, True, True, [CONFIG, LIVE]),
        (True, 1, True, False, [CONFIG]),
        (True, 1, False, True, [LIVE]),
        (False, 1, True, True, [CONFIG]),
        (False, 1, False, True, []),
        (True, 0, True, True, [LIVE]),
    ],
)
def test_settings_go_where_the_domain_is(
    active: bool, persistent: int, config: bool, asked: bool, flags: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    domain: Any = FakeDomain(domain_xml(), active=active)
    monkeypatch.setattr(domain, "isPersistent", lambda: persistent)
    settings.change(domain, lambda kept: Settings(kept.reserve + 1), config=config, live=asked)
    assert [call[-1] for call in domain.metadata] == flags


@pytest.mark.parametrize(
    "damage", ["<v:value type='boolean' key='a'>maybe</v:value>", "<v:value/>", "<v:script event='x'/>"]
)
def test_damaged_values(damage: str) -> None:
    with pytest.raises(BadXml, match="web01"):
        settings.read(live(f"<v:settings xmlns:v='{SETTINGS_NS}'>{damage}</v:settings>"))


def test_settings_of_a_machine_without_any() -> None:
    assert settings.read(live("")) == Settings(0.0)
    assert settings.read(live(f"<settings xmlns='{SETTINGS_NS}'/>")) == Settings(0.0)


@pytest.mark.parametrize("damage", ["", "much", "nan", "inf", "-1", "101"])
def test_damaged_settings(damage: str) -> None:
    with pytest.raises(BadXml, match="web01"):
        settings.read(live(f"<s:settings xmlns:s='{SETTINGS_NS}' reserve='{damage}'/>"))
