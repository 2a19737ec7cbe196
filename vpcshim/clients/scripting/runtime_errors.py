"""The run-time errors of the script engines: numbers that scripts look for, and texts that name the thing.

Source: the VBScript reference, Run-time Errors.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from vpcshim.com.errors import ComError, Failure
from vpcshim.com.hresult import HRESULT

_SOURCE = "Microsoft VBScript runtime error"
_NUMBERS = 0x800A_0000 - (1 << 32)


class Number(IntEnum):
    """Err.Number of each."""

    INVALID_ARGUMENT = 5
    OUT_OF_MEMORY = 7
    BAD_NAME = 52
    FILE_NOT_FOUND = 53
    BAD_MODE = 54
    DEVICE_ERROR = 57
    EXISTS = 58
    DISK_FULL = 61
    PAST_END = 62
    TOO_MANY = 67
    DEVICE_UNAVAILABLE = 68
    DENIED = 70
    PATH_NOT_FOUND = 76
    NOT_BUILT = 445


_TEXTS = {
    Number.INVALID_ARGUMENT: "Invalid procedure call or argument",
    Number.OUT_OF_MEMORY: "Out of memory",
    Number.BAD_NAME: "Bad file name or number",
    Number.FILE_NOT_FOUND: "File not found",
    Number.BAD_MODE: "Bad file mode",
    Number.DEVICE_ERROR: "Device I/O error",
    Number.EXISTS: "File already exists",
    Number.DISK_FULL: "Disk full",
    Number.PAST_END: "Input past end of file",
    Number.TOO_MANY: "Too many files",
    Number.DEVICE_UNAVAILABLE: "Device unavailable",
    Number.DENIED: "Permission denied",
    Number.PATH_NOT_FOUND: "Path not found",
    Number.NOT_BUILT: "Object doesn't support this action",
}
_OF_SYSTEM = {
    errno.ENOENT: Number.FILE_NOT_FOUND,
    errno.ENOTDIR: Number.PATH_NOT_FOUND,
    errno.EISDIR: Number.DENIED,
    errno.EEXIST: Number.EXISTS,
    errno.ENOTEMPTY: Number.EXISTS,
    errno.ENAMETOOLONG: Number.BAD_NAME,
    errno.ENOSPC: Number.DISK_FULL,
    errno.EDQUOT: Number.DISK_FULL,
    errno.EMFILE: Number.TOO_MANY,
    errno.ENFILE: Number.TOO_MANY,
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY, errno.EBUSY), Number.DENIED),
}


def failed(number: Number, about: str) -> ComError:
    """The error of that number; `about` is what it concerns, and why where the number does not say."""
    text = f"{_TEXTS[number]}: {about}"
    return ComError(HRESULT.DISP_E_EXCEPTION, None, (0, _SOURCE, text, None, 0, _NUMBERS + number))


@contextmanager
def told(shown: str, missing: Number = Number.FILE_NOT_FOUND) -> Iterator[None]:
    """Let the system's refusals within out as errors of scripts.

    Args:
        shown: The path that the script knows what is being done to by.
        missing: The error where there is nothing of that name.
    """
    try:
        yield
    except OSError as error:
        number = _OF_SYSTEM.get(error.errno or 0, Number.DEVICE_ERROR)
        if number is Number.FILE_NOT_FOUND:
            raise failed(missing, shown) from error
        why = "" if number in (Number.EXISTS, Number.PATH_NOT_FOUND) else f" ({error.strerror or error})"
        raise failed(number, shown + why) from error


def of_path(failure: Failure) -> ComError:
    """The error for a path that stands for no file of this machine."""
    found = failure.code in (HRESULT.E_PATH_NOT_FOUND, HRESULT.E_BAD_PATHNAME)
    return failed(Number.PATH_NOT_FOUND if found else Number.BAD_NAME, failure.description)
