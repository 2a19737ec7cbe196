"""`pywintypes`: the error, GUIDs and times."""

from __future__ import annotations

import time
import uuid
from datetime import datetime, timezone
from typing import Any

from vpcshim.clients.pywin32.unserved import attribute
from vpcshim.com.errors import ComError
from vpcshim.model.application import clsid_of

__getattr__ = attribute("pywintypes")
com_error = ComError
UnicodeType = str


class error(Exception):
    """What a function of Windows' own API fails with; nothing here raises it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.winerror, self.funcname, self.strerror = (*args, None, None, None)[:3]


class TimeType(datetime):
    """A time of COM: to the millisecond, and said to be in UTC."""

    def Format(self, format: str = "%c") -> str:
        """As `strftime`."""
        return self.strftime(format)


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


def Time(value: Any) -> TimeType:
    """A time: of seconds since the epoch, of a tuple of the time module, or of a datetime (taken for UTC)."""
    if not isinstance(value, datetime):
        seconds = time.mktime(value) if isinstance(value, tuple) else float(value)
        value = datetime.fromtimestamp(seconds, timezone.utc)
    of_day = value.time().replace(microsecond=value.microsecond // 1000 * 1000)
    return TimeType.combine(value, of_day, value.tzinfo or timezone.utc)


def Unicode(text: str) -> str:
    """The text itself."""
    return text
