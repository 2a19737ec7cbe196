"""The XML that is kept while events vouch for it, and when it is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.fakes import UUID, FakeDomain, disk, domain_xml, libvirt_error, nic
from vpcshim.hypervisor.errors import BadXml
from vpcshim.hypervisor.layouts import Layouts

OTHER = "00000000-0000-0000-0000-000000000002"


class FakeEvents:
    """Events that are complete or not, as a test wants it."""

    def __init__(self) -> None:
        self.complete = True
        self.hint: Callable[[str | None], None] = lambda _uuid: None

    def before_listeners(self, hint: Callable[[str | None], None]) -> None:
        self.hint = hint


@pytest.fixture
def events() -> FakeEvents:
    return FakeEvents()


@pytest.fixture
def layouts(events: FakeEvents) -> Layouts:
    return Layouts(events)  # type: ignore[arg-type]


def fetched(domain: FakeDomain) -> int:
    return domain.asked.count("xml")


def two() -> FakeDomain:
    return FakeDomain([domain_xml(nic("vnet0")), domain_xml(nic("vnet0") + disk("vda"))])


def test_asked_for_once(layouts: Layouts) -> None:
    domain = two()
    first = layouts.read(domain)
    assert layouts.read(domain) is first
    assert layouts.kept(UUID, 5) is first
    assert fetched(domain) == 1


def test_anew_is_from_libvirt_and_kept(layouts: Layouts) -> None:
    domain = two()
    first = layouts.read(domain)
    second = layouts.read(domain, anew=True)
    assert second is not first
    assert len(second.drives) == 1
    assert layouts.read(domain) is second
    assert fetched(domain) == 2


def test_not_used_while_events_are_incomplete(events: FakeEvents, layouts: Layouts) -> None:
    domain = two()
    layouts.read(domain)
    events.complete = False
    assert layouts.kept(UUID, 5) is None
    layouts.read(domain)
    layouts.read(domain)
    assert fetched(domain) == 3


@pytest.mark.parametrize("uuid", [UUID, None])
def test_forgotten_on_an_event_and_when_a_connection_is_opened(
    uuid: str | None, events: FakeEvents, layouts: Layouts
) -> None:
    domain = two()
    layouts.read(domain)
    events.hint(uuid)
    assert layouts.kept(UUID, 5) is None
    assert len(layouts.read(domain).drives) == 1


def test_an_event_of_another_domain_forgets_nothing(events: FakeEvents, layouts: Layouts) -> None:
    domain = two()
    first = layouts.read(domain)
    events.hint(OTHER)
    assert layouts.read(domain) is first


def test_an_event_between_fetching_and_keeping(
    events: FakeEvents, layouts: Layouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The XML may be from before the change that the event tells of: it is used once, not kept."""
    domain = two()
    fetch = domain.XMLDesc

    def and_then_an_event() -> str:
        xml: str = fetch()
        events.hint(UUID)
        return xml

    monkeypatch.setattr(domain, "XMLDesc", and_then_an_event)
    assert layouts.read(domain).drives == ()
    assert layouts.kept(UUID, 5) is None
    monkeypatch.setattr(domain, "XMLDesc", fetch)
    assert len(layouts.read(domain).drives) == 1
    assert layouts.kept(UUID, 5) is not None


@pytest.mark.parametrize("domain_id", [4, 6, -1])
def test_another_run_is_another_xml(domain_id: int, layouts: Layouts) -> None:
    layouts.read(two())
    assert layouts.kept(UUID, 5) is not None
    assert layouts.kept(UUID, domain_id) is None


def test_a_domain_that_started_again_is_asked_for_again(layouts: Layouts, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = FakeDomain([domain_xml(nic("vnet0")), domain_xml(nic("vnet9"), number=6)])
    layouts.read(domain)
    monkeypatch.setattr(domain, "ID", lambda: 6)
    assert layouts.read(domain).nics[0].target == "vnet9"
    assert layouts.kept(UUID, 6) is not None


def test_the_xml_of_a_domain_that_is_off_is_not_kept(layouts: Layouts) -> None:
    domain = FakeDomain(domain_xml(nic("vnet0"), number=None), active=False)
    assert layouts.read(domain).id is None
    layouts.read(domain)
    assert fetched(domain) == 2
    assert layouts.kept(UUID, -1) is None


@pytest.mark.parametrize("xml", ["<domain", "<network/>", libvirt_error(1)])
def test_what_fails_is_not_kept(xml: str | Exception, layouts: Layouts) -> None:
    domain = FakeDomain([xml, domain_xml()])
    with pytest.raises(type(xml) if isinstance(xml, Exception) else BadXml):
        layouts.read(domain)
    assert layouts.kept(UUID, 5) is None
    assert layouts.read(domain).id == 5
