"""`pywintypes`: the error, GUIDs and times."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from typing import Any

from vpcshim.com.errors import ComError
from vpcshim.model.application import clsid_of

com_error = ComError
error = ComError
TimeType = datetime
UnicodeType = str


class IID(str):
    """A GUID as text in braces and capitals; of a ProgID, its CLSID."""

    __slots__ = ()

    def __new__(cls, text: Any, *_ignored: Any) -> IID:
        """Of a GUID in braces, or of one of our ProgIDs; com_error (CO_E_CLASSSTRING) for anything else."""
        try:
            return super().__new__(cls, f"{{{str(uuid.UUID(str(text))).upper()}}}")
        except ValueError:
            return super().__new__(cls, clsid_of(str(text)))


IIDType = IID


def Time(value: Any) -> datetime:
    """A time, of seconds since the epoch or of a datetime."""
    return value if isinstance(value, datetime) else datetime.fromtimestamp(float(value), timezone.utc)


def Unicode(text: str) -> str:
    """The text itself."""
    return text
