"""Reading and writing .vmc files, and the .vmcx files that point to them.

A .vmc is a tree of typed values: UTF-16 with a byte order mark, below `<preferences>`, each leaf with a `type` of
string, integer, boolean or bytes (hex), and repeated elements told apart by `id`. Here it is a flat mapping: the
key is the path of the leaf, as scripts name configuration values (`hardware/super_io/floppy[@id=0]/auto_detect`).

Such files come from elsewhere, so they are parsed as hostile input, and their size is bounded.

Source: files of Virtual PC 2004 and 2007 and of Windows Virtual PC.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from vpcshim.values import NAME, Value, written
from vpcshim.xmlparser import has_dtd, make_parser

Values = Mapping[str, Value]

LARGEST = 4 << 20  # bytes; real ones have some ten thousand
_STEP = re.compile(rf"({NAME})(?:\[@id=[\"']?([0-9]{{1,9}})[\"']?\])?")
_DECLARATION = re.compile(r"\s*<\?xml\b[^>]*\?>")
_DIGITS = re.compile(r"[+-]?\d{1,20}")
_BOMS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF8, "utf-8"))
_UNMARKED = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}  # how they begin where a converter left the mark out
_HEAD = '<?xml version="1.0" encoding="UTF-16"?>\n<!-- Microsoft Virtual Machine Options and Settings -->\n'


class BadVmc(ValueError):
    """A file that is no .vmc, or a value that none can hold; the message says why."""


def steps_of(key: str) -> list[tuple[str, str | None]]:
    """The names along a key, each with its id where it has one.

    Raises:
        BadVmc: It is no key.
    """
    steps = []
    for part in key.split("/"):
        found = _STEP.fullmatch(part)
        if found is None:
            raise BadVmc(f"{key!r} is no key: names are joined by /, as hardware/memory/ram_size or name[@id=0]")
        steps.append((found[1], found[2]))
    return steps


def read(data: bytes) -> dict[str, Value]:
    """The values of a .vmc by their keys, in the order of the file.

    A value that does not fit its type, or has none, is read as a string: files of all versions are to be read.

    Raises:
        BadVmc: It is too large, not well-formed, has a DTD, or is none.
    """
    root = _root(data)
    if root.tag != "preferences":
        raise BadVmc(f"a .vmc has <preferences> at its root, not <{root.tag!s}>")
    values: dict[str, Value] = {}
    pending = [(child, "") for child in reversed(root)]
    while pending:
        element, above = pending.pop()
        name, number = str(element.tag), element.get("id")
        key = f"{above}{name}[@id={number}]" if number is not None and number.isdecimal() else f"{above}{name}"
        kind, text = element.get("type"), element.text or ""
        if kind is not None or (text.strip() and not len(element)):
            values.setdefault(key, text if kind is None else _typed(kind, text))
        pending.extend((child, f"{key}/") for child in reversed(element))
    return values


def write(values: Values) -> bytes:
    """A .vmc with those values.

    Raises:
        BadVmc: A key is none, or a text holds what XML cannot.
    """
    root = etree.Element("preferences")
    version = etree.SubElement(root, "version", type="string")
    version.text = "2.0"
    elements: dict[tuple[tuple[str, str | None], ...], etree._Element] = {(): root, (("version", None),): version}
    for key, value in values.items():
        steps = tuple(steps_of(key))
        for depth in range(1, len(steps) + 1):
            if steps[:depth] not in elements:
                name, number = steps[depth - 1]
                made = etree.SubElement(elements[steps[: depth - 1]], name)
                if number is not None:
                    made.set("id", number)
                elements[steps[:depth]] = made
        leaf = elements[steps]
        kind, text = written(value)
        leaf.set("type", kind)
        try:
            leaf.text = text
        except ValueError as error:
            raise BadVmc(f"{key} cannot be kept in a .vmc: {error}") from error
    return _file(root)


@dataclass(frozen=True, slots=True)
class Vmcx:
    """What a .vmcx says of a machine, all of it text.

    Attributes:
        vmc_path: The .vmc that it stands for.
        ram_size: MB.
        notes: The machine's notes.
        primary_disk1: The image on the first IDE channel.
        secondary_disk1: That on the second.
        vmstate: What the state was when it was written.
    """

    vmc_path: str = ""
    ram_size: str = ""
    notes: str = ""
    primary_disk1: str = ""
    secondary_disk1: str = ""
    vmstate: str = ""


def read_vmcx(data: bytes) -> Vmcx:
    """Read a .vmcx.

    Raises:
        BadVmc: As `read`.
    """
    root = _root(data)
    if root.tag != "vm_description":
        raise BadVmc(f"a .vmcx has <vm_description> at its root, not <{root.tag!s}>")
    return Vmcx(**{name: (root.findtext(name) or "").strip() for name in Vmcx.__slots__})


def _file(root: etree._Element) -> bytes:
    etree.indent(root, "\t")
    text = f"{_HEAD}{etree.tostring(root, encoding='unicode')}\n"
    return codecs.BOM_UTF16_LE + text.replace("\n", "\r\n").encode("utf-16-le")


def _root(data: bytes) -> etree._Element:
    if len(data) > LARGEST:
        raise BadVmc(f"it has {len(data)} bytes, and no .vmc has more than {LARGEST}")
    unmarked = (b"", _UNMARKED.get(data[:2], "utf-8"))
    bom, encoding = next(((bom, name) for bom, name in _BOMS if data.startswith(bom)), unmarked)
    try:
        text = data[len(bom) :].decode(encoding)
        root = etree.fromstring(_DECLARATION.sub("", text, count=1).encode(), make_parser())
    except UnicodeError as error:
        raise BadVmc(f"it is not text in {encoding}: {error}") from error
    except etree.XMLSyntaxError as error:
        raise BadVmc(f"it is not well-formed XML: {error}") from error
    if has_dtd(root):
        raise BadVmc("it has a DTD, which no .vmc has; it is refused")
    return root


def _typed(kind: str, text: str) -> Value:
    stripped = text.strip()
    match kind:
        case "boolean" if stripped.lower() in ("true", "false"):
            return stripped.lower() == "true"
        case "integer" if _DIGITS.fullmatch(stripped) and -(1 << 31) <= int(stripped) < 1 << 32:
            return int(stripped)
        case "bytes":
            try:
                return bytes.fromhex(stripped)
            except ValueError:
                return text
    return text
