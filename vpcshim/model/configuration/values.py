"""Configuration values as scripts give and get them, and how much is kept of them.

A value is a string, a boolean, an integer of 32 bits, or bytes. VARIANT types: VT_BSTR, VT_BOOL, VT_ARRAY|VT_UI1,
and for an integer VT_UI4 from Virtual Server, VT_I4 from Windows Virtual PC: the same 32 bits. Integers are kept as
what they are without a sign.

Source: the GetConfigurationValue and SetConfigurationValue pages of both products' references.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from vpcshim.com import decimal96
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.com.variant import VT, Variant
from vpcshim.hypervisor import settings
from vpcshim.model.configuration.keys import Key
from vpcshim.values import Value

LARGEST = 1 << 16  # characters of a string, and bytes
# Bytes of all values of one machine, as they are kept. libvirt hands out four times that, and tells nothing
# of a machine that has more; a .vmc, where they are written once more within a text, is read up to as much.
MOST = 1 << 20
_BITS = 1 << 32
_SIGN = 1 << 31
# What XML 1.0 cannot hold, and so neither can a domain's definition.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
KINDS: dict[type, str] = {str: "a string", bool: "a boolean", int: "an integer", bytes: "bytes"}


def check_text(text: str, what: str) -> None:
    """Refuse a text with characters that no definition of a machine can hold.

    Raises:
        Failure: E_INVALIDARG.
    """
    found = _NO_XML.search(text)
    if found is not None:
        raise Failure(HRESULT.E_INVALIDARG, f"{what} cannot hold the character U+{ord(found[0]):04X}")


def given(key: Key, value: Any) -> Value:
    """The value that a script gave, as it is kept.

    Raises:
        Failure: E_INVALIDARG: it is of another type, or too large.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -_SIGN <= value < _BITS:
            raise Failure(HRESULT.E_INVALIDARG, f"{key} holds an integer of 32 bits, not {decimal96.shown(value)}")
        return value % _BITS
    if isinstance(value, str):
        _check_size(key, len(value), "characters")
        check_text(value, str(key))
        return value
    if isinstance(value, bytes | bytearray | memoryview | list | tuple):
        _check_size(key, len(value), "bytes")
        try:
            return bytes(value)
        except (TypeError, ValueError) as error:  # an array of something else
            raise Failure(HRESULT.E_INVALIDARG, f"{key}: an array is one of bytes (VT_ARRAY|VT_UI1)") from error
    what = {type(None): "nothing", float: "a floating-point number"}.get(type(value), type(value).__name__)
    text = f"{key} is to be a string, a boolean, an integer or bytes, not {what}"
    raise Failure(HRESULT.E_INVALIDARG, text)


def _check_size(key: Key, size: int, what: str) -> None:
    if size > LARGEST:
        raise Failure(HRESULT.E_INVALIDARG, f"{key} is to be at most {LARGEST} {what} long, not {size}")


def variant(product: Product, value: Value) -> Variant:
    """The VARIANT that a product hands out for a value."""
    if isinstance(value, bool):
        return Variant(VT.BOOL, value)
    if isinstance(value, int):
        bits = value % _BITS
        if product is Product.VIRTUAL_SERVER:
            return Variant(VT.UI4, bits)
        return Variant(VT.I4, bits - _BITS if bits >= _SIGN else bits)
    if isinstance(value, bytes):
        return Variant(VT.ARRAY | VT.UI1, value)
    return Variant(VT.BSTR, value)


def with_value(values: Mapping[str, Value], key: Key, value: Value, beside: str | None = None) -> dict[str, Value]:
    """What is kept, and the value as well.

    Args:
        values: What is kept.
        key: The key of the new value.
        value: The new value.
        beside: A key of what the domain itself holds that it cannot stand beside; None for none.

    Raises:
        Failure: E_INVALIDARG: the key names what holds other values, or is inside of a value; or it is too much.
    """
    name = str(key)
    for kept in values:
        if kept.startswith(f"{name}/") or name.startswith(f"{kept}/"):
            beside = kept
    if beside is not None:
        text = f"{name} cannot be a value beside {beside}: an element holds a value or other elements"
        raise Failure(HRESULT.E_INVALIDARG, text)
    changed = {**values, name: value}
    size = kept_size(changed)
    if size > MOST:
        raise Failure(HRESULT.E_INVALIDARG, f"with {name} the values have {size} bytes, and {MOST} is the most")
    return changed


def kept_size(values: Mapping[str, Value]) -> int:
    """How many bytes values have as they are kept: as XML, where a character may have five."""
    return len(settings.as_xml(settings.Settings(values=values)).encode())


def without_value(values: Mapping[str, Value], key: Key, missing: Callable[[Key], Failure]) -> dict[str, Value]:
    """What is kept but for the value of that key.

    Raises:
        Failure: `missing`, when there is none.
    """
    changed = dict(values)
    if changed.pop(str(key), None) is None:
        raise missing(key)
    return changed


def not_found(key: Key) -> Failure:
    """The failure of asking for a value that is not there."""
    return Failure(HRESULT.VM_E_PREF_NOT_FOUND, f"there is no value {key}")
