"""The objects that a script holds, by handle."""

from __future__ import annotations

import secrets
from typing import Any

from vpcshim.clients.scripting.frames import BadFrame
from vpcshim.com.object import ComObject

# A script that keeps more objects than this is lost in a loop.
MOST = 1_000_000


class Handles:
    """A new handle each time an object is passed: random, so that none can be guessed, and never used again."""

    def __init__(self) -> None:
        self._objects: dict[int, Any] = {}
        self._kinds: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def hand(self, obj: Any) -> tuple[int, int]:
        """A handle of the object, and the number of its kind: objects of one kind have the same names and DISPIDs.

        Raises:
            BadFrame: The script holds `MOST` objects.
        """
        if len(self._objects) >= MOST:
            raise BadFrame(f"the script holds {MOST} objects")
        handle = secrets.randbits(63)
        while handle in self._objects:
            handle = secrets.randbits(63)
        self._objects[handle] = obj
        kind = (type(obj), obj._product_) if isinstance(obj, ComObject) else type(obj)
        return handle, self._kinds.setdefault(kind, len(self._kinds) + 1)

    def find(self, handle: int) -> Any:
        """The object; BadFrame for a handle that was not handed out, or is released."""
        try:
            return self._objects[handle]
        except KeyError as error:
            raise BadFrame("an object that was never handed out, or is released") from error

    def get(self, handle: int) -> Any:
        """The object, None where there is none."""
        return self._objects.get(handle)

    def release(self, handle: int) -> None:
        """The script holds it no more."""
        self._objects.pop(handle, None)
