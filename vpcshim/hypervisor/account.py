"""The host account that a machine's process runs under: the static label of libvirt's `dac` security model.

libvirt's daemon, which runs as root, switches to that account without a password.

Source: libvirt.org/formatdomain.html (security label), libvirt.org/drvqemu.html (POSIX users and groups).
"""

from __future__ import annotations

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import parse_element

_MODEL = "dac"


def is_supported(connect: libvirt.virConnect) -> bool:
    """Whether the hypervisor can run each machine under an account of its own."""
    models = parse_element(connect.getCapabilities()).iterfind("host/secmodel/model")
    return any(model.text == _MODEL for model in models)


def read(text: str) -> str:
    """The label, as USER:GROUP, that the definition sets for the machine's process; "" for none."""
    label = _label(parse_element(text))
    return "" if label is None else label.findtext("label", "").strip()


def change(root: etree._Element, account: str) -> None:
    """Let the machine run under that account (USER:GROUP) from its next start on; "": the daemon's choice."""
    label = _label(root)
    if label is not None:
        root.remove(label)
    if account:
        label = etree.SubElement(root, "seclabel", type="static", model=_MODEL, relabel="yes")
        etree.SubElement(label, "label").text = account


def _label(root: etree._Element) -> etree._Element | None:
    return root.find(f"seclabel[@model='{_MODEL}'][@type='static']")
