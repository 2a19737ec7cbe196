"""The values of .vmc keys: which types they have, and how they are written."""

from __future__ import annotations

# As .vmc files type them: string, boolean, integer, bytes.
Value = str | bool | int | bytes


def written(value: Value) -> tuple[str, str]:
    """The `type` of a value and its text, as .vmc files and the domain's metadata hold them."""
    if isinstance(value, bool):
        return "boolean", "true" if value else "false"
    if isinstance(value, int):
        return "integer", str(value)
    if isinstance(value, bytes):
        return "bytes", value.hex().upper()
    return "string", value
