"""Domain XML that is odd, huge or hostile."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import UUID, disk, domain_xml, nic
from vpcshim.hypervisor import domainxml
from vpcshim.hypervisor.domainxml import Disk, DomainXml, Nic
from vpcshim.hypervisor.errors import BadXml

QUICK = 10.0  # seconds; what is refused is refused in milliseconds, unless the machine stands still for a moment


def everything(text: str) -> DomainXml:
    """The document with every part of it read."""
    xml = domainxml.parse(text)
    assert isinstance(xml.name, str)
    assert isinstance(xml.uuid, str)
    assert isinstance(xml.driver, str)
    assert xml.id is None or xml.id >= 0
    assert xml.vcpus >= 1
    assert all(nic.label for nic in xml.nics)
    assert all(drive.label for drive in xml.drives)
    assert xml.run is None or str(xml.run.tag) == "{urn:vpcshim:run:1}run"
    assert xml.settings is None or str(xml.settings.tag) == "{urn:vpcshim:settings:1}settings"
    return xml


def refused(text: str) -> str:
    began = time.monotonic()
    with pytest.raises(BadXml) as caught:
        everything(text)
    assert time.monotonic() - began < QUICK
    return str(caught.value)


# -- odd ---------------------------------------------------------------------------------------------------


def test_an_ordinary_domain() -> None:
    xml = everything(domain_xml(nic("vnet0", "52:54:00:AA:00:01") + disk("vda") + disk("hdc", "cdrom")))
    assert (xml.name, xml.uuid, xml.id, xml.driver, xml.vcpus) == ("web01", UUID, 5, "kvm", 2)
    assert xml.nics == (Nic(1, "bridge", "52:54:00:aa:00:01", "vnet0", "vnet0"),)
    assert xml.drives == (Disk("vda", "disk"), Disk("hdc", "cdrom"))
    assert xml.nics[0].label == "NIC 1 (vnet0, 52:54:00:aa:00:01, type bridge)"
    assert xml.drives[1].label == "drive hdc (cdrom)"
    assert (xml.run, xml.settings) == (None, None)


@pytest.mark.parametrize(
    "text", ["<domain/>", "<domain><devices/></domain>", "<domain type='test'><name/></domain>"]
)
def test_hardly_anything(text: str) -> None:
    xml = everything(text)
    assert (xml.name, xml.uuid, xml.id, xml.vcpus, xml.nics, xml.drives) == ("", "", None, 1, (), ())


@pytest.mark.parametrize(
    ("one", "other", "addresses"),
    [
        (nic("vnet0", "52:54:00:00:00:01"), nic("vnet1", "52:54:00:00:00:01"), ("vnet0", "vnet1")),
        (
            nic(None, "52:54:00:00:00:01"),
            nic(None, "52:54:00:00:00:02"),
            ("52:54:00:00:00:01", "52:54:00:00:00:02"),
        ),
        (nic(None, "52:54:00:00:00:aa"), nic(None, "52:54:00:00:00:AA"), (None, None)),
        (nic("vnet0", "52:54:00:00:00:01"), nic(None, "52:54:00:00:00:01"), ("vnet0", None)),
        (nic(None), nic("vnet0"), (None, "vnet0")),
        (nic(None), nic(None), (None, None)),
        ("<interface/>", "<interface><target/><mac/></interface>", (None, None)),
        ('<interface><target dev=""/></interface>', nic("x"), (None, "x")),
    ],
)
def test_how_a_nic_is_addressed(one: str, other: str, addresses: tuple[str | None, ...]) -> None:
    nics = everything(domain_xml(one + other)).nics
    assert tuple(found.address for found in nics) == addresses
    assert [found.position for found in nics] == [1, 2]


def test_label_of_a_nic_without_anything() -> None:
    assert everything(domain_xml("<interface/>")).nics[0].label == "NIC 1 (type )"


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [("", None), ("id='-1'", None), ("id='0'", 0), ("id='7'", 7), ("id='2147483647'", 2**31 - 1)],
)
def test_ids(attribute: str, expected: int | None) -> None:
    assert everything(f"<domain {attribute}/>").id == expected


@pytest.mark.parametrize("value", ["", "x", "-2", "--5", "5-", "1e3", "٣", "²", " 5", "0x5", "9" * 11, "9" * 5000])
def test_weird_ids(value: str) -> None:
    assert "id" in refused(f"<domain id='{value}'/>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<vcpu>4</vcpu>", 4),
        ("<vcpu current='2'>4</vcpu>", 2),
        ("<vcpu placement='static' current='1'> 4 </vcpu>", 1),
        ("<vcpu>\n 8\n</vcpu>", 8),
        ("", 1),
    ],
)
def test_vcpus(text: str, expected: int) -> None:
    assert everything(f"<domain>{text}</domain>").vcpus == expected


@pytest.mark.parametrize("value", ["", "0", "-1", "x", "1.5", "٣", "9" * 5000])
def test_weird_vcpus(value: str) -> None:
    assert "vCPUs" in refused(f"<domain><vcpu>{value}</vcpu></domain>")
    if value:
        assert "vCPUs" in refused(f"<domain><vcpu current='{value}'>4</vcpu></domain>")


def test_floppies_are_no_drives() -> None:
    devices = disk("fda", "floppy") + disk("sda", "lun") + "<disk><target dev='vdb'/></disk>" + "<disk/>"
    assert everything(domain_xml(devices)).drives == (Disk("sda", "lun"), Disk("vdb", "disk"), Disk("", "disk"))


def test_comments_processing_instructions_and_cdata() -> None:
    text = domain_xml(
        "<!-- <interface/> --><?pi <interface/>?>"
        "<interface type='bridge'><!-- c --><?x y?><target dev='vnet0'/><![CDATA[<mac address='x'/>]]></interface>"
    ).replace("web01", "web<!-- c -->01<![CDATA[ & <co>]]>")
    xml = everything(f"<?xml version='1.0'?><!-- c -->\n{text}\n<!-- end -->")
    assert xml.name == "web01 & <co>"
    assert [found.address for found in xml.nics] == ["vnet0"]


@pytest.mark.parametrize(
    "name", ["naïve", "機械", "\U0001f600", "a&amp;b", "&#x416;", "e\u0301", "\u202eevil", "\ufffd"]
)
def test_unicode_names(name: str) -> None:
    expected = name.replace("&amp;", "&").replace("&#x416;", "\u0416")
    assert everything(f"<domain><name>{name}</name></domain>").name == expected


@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1", "UTF-16", "US-ASCII"])
def test_the_encoding_declared_for_bytes_means_nothing_for_text(encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding}'?><domain><name>é機</name></domain>"
    assert everything(text).name == "é機"


def test_interfaces_in_other_places_are_not_counted() -> None:
    stray = nic("stray0", "52:54:00:00:00:09") + disk("stray")
    text = domain_xml(
        nic("vnet0", "52:54:00:00:00:01")
        + f"<hostdev>{stray}</hostdev><interface type='hostdev'><source>{stray}</source></interface>"
        + "<x:interface xmlns:x='urn:other'><target dev='foreign0'/></x:interface>"
        + "<interface xmlns='urn:other'><target dev='foreign1'/></interface>"
        + "<interface type='network'><x:target xmlns:x='urn:other' dev='foreign2'/>"
        + "<target dev='vnet2'/></interface>",
        metadata=f"<devices>{stray}</devices><x:app xmlns:x='urn:x'><devices>{stray}</devices></x:app>",
    ).replace("</domain>", f"{stray}<os><devices>{stray}</devices></os></domain>")
    xml = everything(text)
    assert [(one.type, one.target) for one in xml.nics] == [
        ("bridge", "vnet0"),
        ("hostdev", None),
        ("network", "vnet2"),
    ]
    assert xml.drives == ()


def test_our_metadata_among_that_of_others() -> None:
    xml = everything(
        domain_xml(
            metadata=(
                "<run domain='1'/><x:run xmlns:x='urn:other' domain='2'/>"
                "<app:app xmlns:app='urn:app'><o:run xmlns:o='urn:vpcshim:run:1' domain='3'/></app:app>"
                "<o:run xmlns:o='urn:vpcshim:run:1' domain='4'/>"
                "<settings xmlns='urn:vpcshim:settings:1' reserve='5'/>"
            )
        )
    )
    assert xml.run is not None
    assert xml.run.get("domain") == "4"
    assert xml.settings is not None
    assert xml.settings.get("reserve") == "5"


# -- huge --------------------------------------------------------------------------------------------------


def test_two_thousand_nics() -> None:
    devices = "".join(
        nic(None if i % 2 else f"vnet{i}", f"52:54:00:00:{i >> 8:02x}:{i & 255:02x}") for i in range(2000)
    )
    began = time.monotonic()
    nics = everything(domain_xml(devices)).nics
    assert time.monotonic() - began < QUICK
    assert len(nics) == 2000
    assert len({found.address for found in nics}) == 2000
    assert None not in {found.address for found in nics}


def test_a_text_node_beyond_the_parsers_limit_is_refused() -> None:
    refused(f"<domain><name>{'x' * 10_000_001}</name></domain>")


def test_a_document_that_is_too_deep_is_refused() -> None:
    refused("<domain>" + "<a>" * 5000 + "</a>" * 5000 + "</domain>")


# -- hostile -----------------------------------------------------------------------------------------------

LAUGHS = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE domain><domain/>",
        "<!DOCTYPE domain []><domain/>",
        '<!DOCTYPE domain [<!ENTITY who "web01">]><domain><name>&who;</name></domain>',
        '<!DOCTYPE domain [<!ENTITY who "web01">]><domain id="&who;"/>',
        '<!DOCTYPE domain [<!ATTLIST domain id CDATA "5">]><domain/>',
        f'<!DOCTYPE domain [<!ENTITY a0 "ha">{LAUGHS}]><domain><name>&a11;</name></domain>',
        f'<!DOCTYPE domain [<!ENTITY a0 "ha">{LAUGHS}]><domain type="&a11;"/>',
        f'<!DOCTYPE domain [<!ENTITY a "{"x" * 200_000}">]><domain><name>{"&a;" * 50_000}</name></domain>',
        f'<!DOCTYPE domain [<!ENTITY a "{"x" * 200_000}">]><domain type="{"&a;" * 50_000}"/>',
        '<!DOCTYPE domain [<!ENTITY a "&a;">]><domain><name>&a;</name></domain>',
        '<!DOCTYPE domain [<!ENTITY a "&b;"><!ENTITY b "&a;">]><domain type="&a;"/>',
        "<!DOCTYPE domain [<!ENTITY % p '<!ENTITY who \"x\">'>%p;]><domain><name>&who;</name></domain>",
        '<!DOCTYPE domain [<!ENTITY % a "x"><!ENTITY % b "%a;%a;">%b;]><domain/>',
        "<domain><name>&undeclared;</name></domain>",
    ],
    ids=lambda text: text[:70] if isinstance(text, str) else "",
)
def test_documents_with_a_dtd_or_entities_are_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize(
    "pattern",
    [
        '<!DOCTYPE domain SYSTEM "{url}"><domain/>',
        '<!DOCTYPE domain PUBLIC "-//x//y" "{url}"><domain/>',
        '<!DOCTYPE domain [<!ENTITY who SYSTEM "{url}">]><domain><name>&who;</name></domain>',
        '<!DOCTYPE domain [<!ENTITY % who SYSTEM "{url}">%who;]><domain/>',
        '<!DOCTYPE domain SYSTEM "{url}" [<!ENTITY a "b">]><domain><name>&who;</name></domain>',
        '<domain xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{url}" parse="text"/></domain>',
        '<?xml-stylesheet href="{url}"?><domain xmlns:x="u" x:schemaLocation="u {url}"/>',
    ],
)
def test_nothing_is_read_from_disk_or_fetched(
    pattern: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that would show in the result or the error, and a server that would see a request."""
    secret = "<!ENTITY who 'kept secret'>kept secret"
    (tmp_path / "secret").write_text(secret)
    requests = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)

        def serve() -> None:
            try:
                client, _ = server.accept()
            except TimeoutError:
                return
            requests.append(client)
            client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        urls = [
            f"http://127.0.0.1:{server.getsockname()[1]}/secret",
            (tmp_path / "secret").as_uri(),
            str(tmp_path / "secret"),
        ]
        for url in urls:
            text = pattern.format(url=url)
            try:
                xml = everything(text)
            except BadXml as error:
                assert "kept secret" not in f"{error} {error.__cause__!r}"  # noqa: PT017
            else:
                assert "DOCTYPE" not in text
                assert "kept secret" not in xml.name
        thread.join()
    assert requests == []
    assert "kept secret" not in caplog.text


@pytest.mark.parametrize(
    "pattern",
    [
        '<!DOCTYPE domain SYSTEM "{path}"><domain/>',
        '<!DOCTYPE domain SYSTEM "{path}"><domain><name>&who;</name></domain>',
        '<!DOCTYPE domain [<!ENTITY who SYSTEM "{path}">]><domain><name>&who;</name></domain>',
        '<!DOCTYPE domain [<!ENTITY % who SYSTEM "{path}">%who;]><domain/>',
        '<domain xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{path}"/></domain>',
    ],
)
def test_no_file_is_even_opened(pattern: str, tmp_path: Path) -> None:
    """A named pipe: who opens it to read waits for a writer, and a writer can tell that there is a reader."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def parse() -> None:
        with contextlib.suppress(BadXml):
            everything(pattern.format(path=pipe))

    thread = threading.Thread(target=parse)
    thread.start()
    opened = False
    while thread.is_alive():
        with contextlib.suppress(OSError):  # ENXIO: nobody reads
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            opened = True
        thread.join(0.01)
    assert not opened


def test_the_next_document_is_not_harmed_by_a_refused_one() -> None:
    refused("<!DOCTYPE domain [<!ENTITY who 'leaked'>]><domain><name>&who;</name></domain>")
    refused("<domain><name>&who;</name></domain>")
    assert everything("<domain><name>web01</name></domain>").name == "web01"


def test_threads_may_parse_at_the_same_time() -> None:
    wrong = []

    def work(number: int) -> None:
        for _ in range(200):
            xml = everything(domain_xml(nic(f"vnet{number}")))
            if xml.nics[0].target != f"vnet{number}":
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# -- not what it should be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["<network/>", "<Domain/>", "<domain xmlns='urn:x'/>", "<x:domain xmlns:x='urn:x'/>"]
)
def test_another_root(text: str) -> None:
    assert "<domain> was expected" in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "web01",
        "{}",
        "<domain",
        "<domain>",
        "<domain></domian>",
        "<domain/><domain/>",
        "<domain/>text",
        "<domain id='1' id='2'/>",
        "<domain><x:interface/></domain>",
        "\0",
        "<domain>\0</domain>",
        "<domain><name>a\0b</name></domain>",
        "<domain><name>\x01</name></domain>",
        "<domain><name>&#0;</name></domain>",
        "<domain><name>\ud800</name></domain>",
        "\udfff<domain/>",
        "<domain>\uffff</domain>",
    ],
)
def test_not_well_formed(text: str) -> None:
    refused(text)


@given(st.data())
def test_a_truncated_document_is_refused(data: st.DataObject) -> None:
    whole = domain_xml(nic("vnet0", "52:54:00:00:00:01") + disk("vda"))
    end = data.draw(st.integers(0, len(whole) - 1))
    refused(whole[:end])


PIECES = st.sampled_from(
    [
        *(
            "<",
            ">",
            "/",
            "'",
            '"',
            "=",
            "&",
            ";",
            "%",
            "!",
            "?",
            "[",
            "]",
            " ",
            "\0",
            "\ud800",
            "é",
            "5",
            "-1",
            "9" * 4400,
        ),
        *(
            "<domain>",
            "</domain>",
            "<domain id='",
            "<devices>",
            "</devices>",
            "<interface>",
            "</interface>",
            "<mac/>",
        ),
        *(
            "<vcpu>",
            "</vcpu>",
            "<disk/>",
            "<!DOCTYPE x [",
            "<!ENTITY a 'b'>",
            "&a;",
            "]>",
            "<!--",
            "-->",
            "<![CDATA[",
        ),
        *(
            "<metadata>",
            "</metadata>",
            "<run xmlns='urn:vpcshim:run:1'/>",
            "<settings xmlns='urn:vpcshim:settings:1'/>",
        ),
    ]
)


@given(
    st.text()
    | st.lists(PIECES).map("".join)
    | st.lists(PIECES).map(lambda all_: f"<domain>{''.join(all_)}</domain>")
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        everything(text)
    except BadXml as error:
        assert str(error)  # noqa: PT017 - both ends are right


@given(st.text() | PIECES, st.text() | PIECES)
def test_any_number_is_read_or_refused(number: str, count: str) -> None:
    def quoted(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;")

    try:
        everything(f"<domain id='{quoted(number)}'><vcpu current='{quoted(count)}'/></domain>")
    except BadXml as error:
        assert str(error)  # noqa: PT017 - both ends are right
