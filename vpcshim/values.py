"""The values of .vmc keys: how their elements are called, which types they have, and how they are written."""

from __future__ import annotations

# As .vmc files type them: string, boolean, integer, bytes.
Value = str | bool | int | bytes

# The name of an element in a key, as a pattern: that of an element of XML without a prefix (XML 1.0, NCName).
_FIRST = (
    r"A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    r"\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
NAME = rf"[{_FIRST}][{_FIRST}.0-9\u00b7\u0300-\u036f\u203f\u2040-]*"


def written(value: Value) -> tuple[str, str]:
    """The `type` of a value and its text, as .vmc files and the domain's metadata hold them."""
    if isinstance(value, bool):
        return "boolean", "true" if value else "false"
    if isinstance(value, int):
        return "integer", str(value)
    if isinstance(value, bytes):
        return "bytes", value.hex().upper()
    return "string", value
