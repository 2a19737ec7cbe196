"""The application's language, and limits that hang on the hypervisor."""

from __future__ import annotations

import libvirt
import pytest

from tests.testdriver.support import VS, application, code_of, find
from vpcshim import HRESULT, ComError
from vpcshim.testing import Machine, NodeBuilder


@pytest.mark.parametrize("locale", [0, 0x400, 0x800, 1033, 2057, 0x0C09])
def test_english_and_default_locales_are_taken(vpcshim_node: NodeBuilder, locale: int) -> None:
    app = application(vpcshim_node("web"), VS)
    app.Locale = locale
    assert app.put_Locale(locale) is HRESULT.S_OK


@pytest.mark.parametrize("locale", [1031, 1036, 1, 0xFFFFFFFF])
def test_other_locales_are_refused(vpcshim_node: NodeBuilder, locale: int) -> None:
    app = application(vpcshim_node("web"), VS)
    assert app.put_Locale(locale) is HRESULT.E_FAIL
    with pytest.raises(ComError, match="English"):
        app.Locale = locale


@pytest.mark.parametrize(
    ("language", "locale"),
    [
        ("", 1033),
        ("en", 1033),
        ("*", 1033),
        ("en-US", 1033),
        ("EN-gb", 2057),
        ("de", 1033),
        ("de-AT, en-AU;q=0.4, en-GB ; q=0.5", 2057),
        ("en-GB;q=0, en-AU;q=0.1", 3081),
        ("en-x-klingon", 1033),
    ],
)
def test_a_language_is_asked_for(vpcshim_node: NodeBuilder, language: str, locale: int) -> None:
    app = application(vpcshim_node("web"), VS)
    assert app.QueryLocale(language) == locale
    app.Locale = locale


@pytest.mark.parametrize("language", ["en;q=2", "en;q=x", "en us", "ü", "en;" * 500, "123456789"])
def test_what_is_no_language(vpcshim_node: NodeBuilder, language: str) -> None:
    app = application(vpcshim_node("web"), VS)
    with pytest.raises(ComError) as caught:
        app.QueryLocale(language)
    assert caught.value.scode == HRESULT.DISP_E_EXCEPTION


def test_a_machine_takes_as_many_scsi_controllers_as_is_said(vpcshim_node: NodeBuilder) -> None:
    app = application(vpcshim_node(Machine("web", state="shutoff")), VS)
    vm = find(app, "web")
    for _ in range(app.MaximumNumberOfSCSIControllers):
        vm.AddSCSIController()
    assert vm.SCSIControllers.Count == app.MaximumNumberOfSCSIControllers
    assert code_of(vm, "AddSCSIController") is HRESULT.E_FAIL


def test_a_machine_without_old_controllers(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mock of the handle: the test driver has no domain capabilities."""
    app = application(vpcshim_node("web"), VS)
    capabilities = """<domainCapabilities><domain>kvm</domain><machine>virt-7.2</machine><arch>aarch64</arch>
        <devices><disk supported='yes'><enum name='diskDevice'><value>disk</value></enum>
        <enum name='bus'><value>virtio</value></enum></disk></devices></domainCapabilities>"""
    monkeypatch.setattr(libvirt.virConnect, "getDomainCapabilities", lambda *_: capabilities)
    assert (app.MaximumFloppyDrivesPerVM, app.MaximumNumberOfIDEBuses) == (0, 0)
    for name in ("MaximumSerialPortsPerVM", "MaximumParallelPortsPerVM"):
        with pytest.raises(ComError, match=r"virt-7\.2"):
            getattr(app, name)
