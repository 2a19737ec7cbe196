"""The checks of a builder's arguments: clear words here instead of libvirt's when the file is opened."""

from __future__ import annotations

import math
import re
from collections.abc import Collection

_MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")


def check_choice(what: str, value: object, choices: Collection[str]) -> None:
    """Raise ValueError unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{what} is one of {', '.join(choices)}, not {value!r}")


def check_number(what: str, value: object, low: int, high: int) -> None:
    """Raise TypeError or ValueError unless the value is a whole number of that range."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} is a whole number, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{what} is {low} to {high}, not {value}")


def check_reserve(what: str, value: object) -> None:
    """Raise TypeError or ValueError unless the value is a percentage."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{what} is a number, not {value!r}")
    if not (math.isfinite(value) and 0 <= value <= 100):
        raise ValueError(f"{what} is 0 to 100 percent, not {value:g}")


def check_name(what: str, value: object) -> None:
    """Raise TypeError or ValueError unless libvirt takes the value as a name."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is a string, not {value!r}")
    if not value.strip() or "/" in value or not value.isprintable():
        raise ValueError(f"{what} is not empty and has no slash and no control characters, unlike {value!r}")


def check_mac(value: str) -> None:
    """Raise ValueError unless the value is the MAC address of a single host."""
    if _MAC.fullmatch(value) is None:
        raise ValueError(f"not a MAC address: {value!r}")
    if int(value[:2], 16) & 1:
        raise ValueError(f"{value} is a multicast address, which no NIC can have")
