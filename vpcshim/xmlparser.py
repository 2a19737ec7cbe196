"""The parser of every XML document that others wrote, or may have written into: libvirt's, and .vmc files.

They are hostile input: no DTD, no entities, no network, libxml2's limits of size on.
"""

from __future__ import annotations

from lxml import etree


def make_parser() -> etree.XMLParser:
    """A parser of bytes in UTF-8, for one thread. A DTD is not loaded, and `has_dtd` says that there is one."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",  # ours, whatever the document's own declaration said before it came here
    )


def has_dtd(root: etree._Element) -> bool:
    """Whether the document of that root brings a DTD."""
    return root.getroottree().docinfo.internalDTD is not None
