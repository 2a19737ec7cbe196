"""What vpcshim keeps of a machine that libvirt has no place for, in the metadata of its definition.

Unlike the run record it belongs to the machine, so it is kept across power-off. libvirt copies it into the live
XML when the machine starts: what the live XML holds are the values as they were then, unless they were changed
in the running machine itself.

Source: virDomainSetMetadata, VIR_DOMAIN_METADATA_ELEMENT.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import libvirt
from lxml import etree

from vpcshim.hypervisor.changing import one_at_a_time
from vpcshim.hypervisor.domainxml import SETTINGS_NS, DomainXml, parse
from vpcshim.hypervisor.errors import BadXml
from vpcshim.values import Value, written

_PREFIX = "vpcshim"
_WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one machine.

    Attributes:
        reserve: The share of the host's CPU capacity that is reserved for it, in percent.
        file: The .vmc file that the machine was made or registered with, as a path of the host; "" for none.
        values: Configuration values by their .vmc key.
        scripts: The command lines attached to events, by VMEventType.
        account: The host account that was named for it (USER:GROUP), whether or not it runs under it; "" for none.
    """

    reserve: float = 0.0
    file: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    scripts: Mapping[int, str] = field(default_factory=dict)
    account: str = ""


def read(xml: DomainXml) -> Settings:
    """The settings; the defaults where none were made.

    Raises:
        BadXml: Somebody else wrote something else there.
    """
    if xml.settings is None:
        return Settings()
    text = xml.settings.get("reserve", "0")
    try:
        reserve = float(text)
    except ValueError:
        reserve = math.nan
    if not 0 <= reserve <= _WHOLE:
        raise BadXml(f"the reserve in the metadata of {xml.name} is not a percentage: {text!r}")
    values, scripts = {}, {}
    for element in xml.settings.iterchildren("{*}value", "{*}script"):
        held = element.text or ""
        try:
            if etree.QName(element).localname == "value":
                values[element.attrib["key"]] = _typed(element.get("type", "string"), held)
            else:
                scripts[int(element.attrib["event"])] = held
        except (KeyError, ValueError) as error:
            raise BadXml(f"the metadata of {xml.name} holds something else than vpcshim wrote: {error}") from error
    return Settings(reserve, xml.settings.get("file", ""), values, scripts, xml.settings.get("account", ""))


def change(
    domain: libvirt.virDomain,
    of: Callable[[Settings], Settings],
    *,
    config: bool = True,
    live: bool = True,
) -> None:
    """Change the settings, one change at a time (`changing`); a running one has its own beside.

    Args:
        domain: The machine, on a connection that may write.
        of: The new settings of the old ones.
        config: Change those of the definition (of a transient domain: there are none).
        live: Change those of the running domain, if it runs.

    Raises:
        BadXml: As `read`.
        libvirt.libvirtError: libvirt refused.
    """
    with one_at_a_time():
        if config and domain.isPersistent():
            definition = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
            _write(domain, of(read(parse(definition))), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        if live and domain.isActive():
            _write(domain, of(read(parse(domain.XMLDesc()))), libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _write(domain: libvirt.virDomain, settings: Settings, flags: int) -> None:
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, as_xml(settings), _PREFIX, SETTINGS_NS, flags)


def as_xml(settings: Settings) -> str:
    """The settings as the element that is kept (libvirt adds the namespace)."""
    root = etree.Element("settings", reserve=repr(settings.reserve))
    if settings.file:
        root.set("file", settings.file)
    if settings.account:
        root.set("account", settings.account)
    for key, value in settings.values.items():
        kind, text = written(value)
        etree.SubElement(root, "value", key=key, type=kind).text = text
    for number, command in settings.scripts.items():
        etree.SubElement(root, "script", event=str(number)).text = command
    return etree.tostring(root, encoding="unicode")


def _typed(kind: str, text: str) -> Value:
    match kind:
        case "boolean":
            return {"true": True, "false": False}[text]
        case "integer":
            return int(text)
        case "bytes":
            return bytes.fromhex(text)
        case "string":
            return text
    raise ValueError(f"a value of type {kind!r}")
