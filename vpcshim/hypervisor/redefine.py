"""Changing a machine's definition: its inactive XML, changed as a tree, given back to libvirt to check and keep.

Source: virDomainDefineXMLFlags, VIR_DOMAIN_DEFINE_VALIDATE (libvirt-domain).
"""

from __future__ import annotations

from collections.abc import Callable

import libvirt
from lxml import etree

from vpcshim.hypervisor.changing import one_at_a_time
from vpcshim.hypervisor.domainxml import parse_element


def definition(domain: libvirt.virDomain) -> etree._Element:
    """The inactive XML of the domain, secrets included: fit to be defined again. Needs a connection that may write.

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    return parse_element(domain.XMLDesc(flags))


def redefine(domain: libvirt.virDomain, change: Callable[[etree._Element], None]) -> None:
    """Change the definition, one change at a time (`changing`); a running domain stays as it is.

    Raises:
        libvirt.libvirtError: libvirt refused; the definition is then as it was.
    """
    with one_at_a_time():
        root = definition(domain)
        change(root)
        define(domain.connect(), root)


def define(connect: libvirt.virConnect, root: etree._Element) -> libvirt.virDomain:
    """Define a domain, checked by libvirt's own schema first.

    Raises:
        libvirt.libvirtError: It is not valid, or libvirt refused it.
    """
    text = etree.tostring(root, encoding="unicode")
    return connect.defineXMLFlags(text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
