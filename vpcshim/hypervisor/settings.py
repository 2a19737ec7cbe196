"""What vpcshim keeps of a machine that libvirt has no place for, in the metadata of its definition.

Unlike the run record it belongs to the machine, so it is kept across power-off; libvirt copies it into the live
XML when the machine starts, and a change to a running machine goes to both.

Source: virDomainSetMetadata, VIR_DOMAIN_METADATA_ELEMENT.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import SETTINGS_NS, DomainXml
from vpcshim.hypervisor.errors import BadXml

_PREFIX = "vpcshim"
_WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one machine.

    Attributes:
        reserve: The share of the host's CPU capacity that is reserved for it, in percent.
    """

    reserve: float = 0.0


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
    return Settings(reserve)


def write(domain: libvirt.virDomain, settings: Settings) -> None:
    """Keep the settings in the definition and in the running domain.

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG if domain.isPersistent() else 0
    if domain.isActive():
        flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
    text = etree.tostring(etree.Element("settings", reserve=repr(settings.reserve)), encoding="unicode")
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, _PREFIX, SETTINGS_NS, flags)
