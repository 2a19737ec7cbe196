"""`--trace FILE`: one JSON line for each call of a script, written before the script goes on."""

from __future__ import annotations

import json
import math
import sys
import threading
from contextlib import suppress
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, TextIO

from vpcshim.clients.calls import Call, Hook, Omitted, Result
from vpcshim.com.object import ComObject
from vpcshim.com.variant import Variant

_LONGEST = 1000  # characters of one argument or value
_MOST = 100  # elements of one array
_MOST_BITS = 64  # of one integer
_HIDDEN = "(not traced)"


class Trace(Hook):
    """Writes each call to a stream.

    A line holds `time` (ISO 8601, UTC), `object`, `interface`, `member`, `use` (get, put, call, create, lookup),
    `arguments`, `hresult` (`name`, `number`), `seconds`, and where there is one `value`, `error` (the description)
    and `libvirt` (`code`, `domain`, `message`). Passwords are not traced.

    Where no more can be written, that is told once on stderr, and the script goes on: to end it halfway would do
    more harm.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._turn = threading.Lock()

    def ended(self, call: Call, result: Result) -> None:
        """Write the call."""
        line: dict[str, Any] = {
            "time": datetime.now(timezone.utc).isoformat(timespec="microseconds"),
            "object": None if call.object is None else label(call.object),
            "interface": call.interface or None,
            "member": call.name,
            "use": call.use.value,
            "arguments": _arguments(call),
            "hresult": {"name": result.code.name, "number": result.code.hex},
            "seconds": round(result.seconds, 6),
        }
        if result.failure is None:
            line["value"] = _shown(result.value)
        else:
            line["error"] = result.failure.description
        libvirt_error = result.libvirt_error
        if libvirt_error is not None:
            line["libvirt"] = dict(zip(("code", "domain", "message"), libvirt_error, strict=True))
        self._write(json.dumps(line, ensure_ascii=False) + "\n")

    def _write(self, line: str) -> None:
        with self._turn:
            if self._stream is None:
                return
            try:
                self._stream.write(line)
                self._stream.flush()
            except (OSError, ValueError) as error:  # ValueError: the script has closed stderr
                name, why = getattr(self._stream, "name", ""), getattr(error, "strerror", None) or error
                self._stream = None
                with suppress(OSError, ValueError):  # the trace may be what stderr is for
                    print(f"vpcshim: the trace {name} ends here: {why}", file=sys.stderr)


def label(obj: ComObject) -> str:
    """The object as a trace names it: its interface, and the UUID of its machine where it has one."""
    uuid = getattr(obj, "_uuid", None)
    return obj._interface_ if not isinstance(uuid, str) else f"{obj._interface_} {uuid}"


def _arguments(call: Call) -> list[Any]:
    names = () if call.member is None else call.member.param_names
    return [
        _HIDDEN if i < len(names) and "password" in names[i].lower() else _shown(value)
        for i, value in enumerate(call.args)
    ]


def _shown(value: Any) -> Any:
    """The value as JSON has it; long ones are cut, and say so."""
    if isinstance(value, Variant):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _MOST_BITS else f"a number of {value.bit_length()} bits"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Omitted):
        return f"({value.value})"
    if isinstance(value, ComObject):
        return f"<{label(value)}>"
    if isinstance(value, Decimal):
        return str(value)  # as text: a JSON number is a double to most readers
    if isinstance(value, bytes):
        return _cut(value.hex())
    if isinstance(value, list | tuple):
        shown = [_shown(item) for item in value[:_MOST]]
        return shown if len(value) <= _MOST else [*shown, f"... {len(value) - _MOST} more"]
    return _cut(str(value)) if isinstance(value, str | datetime) else f"<{type(value).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... {len(text) - _LONGEST} more"
