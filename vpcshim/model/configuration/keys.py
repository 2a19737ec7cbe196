"""The keys of configuration values: where a value stands in a .vmc file, below its root element.

`hardware/memory/ram_size`; an element that occurs several times is told by its number, as in
`hardware/pci_bus/ethernet_adapter/ethernet_controller[@id=0]/ethernet_card_address`. Elements of XML are told apart
by case, and so are these.

Source: the GetConfigurationValue pages of both products' references.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.values import NAME

LONGEST = 1024  # characters; the longest key of a real file has 120
DEEPEST = 32  # elements
_ELEMENT = re.compile(rf"({NAME})(?:\[@id=([0-9]{{1,9}})\])?")


@dataclass(frozen=True, slots=True)
class Key:
    """A key.

    Attributes:
        steps: The elements from the outermost on: each its name, and its number or None.
    """

    steps: tuple[tuple[str, int | None], ...]

    @property
    def pattern(self) -> str:
        """The key with `*` for each number: what is alike for every element that occurs several times."""
        return "/".join(name if number is None else f"{name}[@id=*]" for name, number in self.steps)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers in the key, from the outermost on."""
        return tuple(number for _, number in self.steps if number is not None)

    def __str__(self) -> str:
        return "/".join(name if number is None else f"{name}[@id={number}]" for name, number in self.steps)


def parse(text: str, *, otherwise: tuple[HRESULT, ...] = ()) -> Key:
    """The key that is written so.

    Args:
        text: The key; a number may have leading zeros, which mean nothing.
        otherwise: The codes for members whose page does not list E_INVALIDARG.

    Raises:
        Failure: E_INVALIDARG: it is no key; the message says why.
    """
    try:
        return Key(tuple(_parts(text)))
    except ValueError as error:
        shown = text if len(text) <= 80 else f"{text[:80]}..."
        message = f"{shown!r} is no key of a configuration value: {error}"
        raise Failure(HRESULT.E_INVALIDARG, message, otherwise=otherwise) from error


def _parts(text: str) -> list[tuple[str, int | None]]:
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text)} characters, and {LONGEST} is the most")
    parts = text.split("/")
    if len(parts) > DEEPEST:
        raise ValueError(f"it has {len(parts)} elements, and {DEEPEST} is the most")
    found: list[tuple[str, int | None]] = []
    for part in parts:
        match = _ELEMENT.fullmatch(part)
        if match is None:
            what = f"{part!r} is no element" if part else "an element is empty"
            raise ValueError(f"{what} (write it as hardware/memory/ram_size, or name[@id=0])")
        found.append((match[1], None if match[2] is None else int(match[2])))
    return found
