"""A file that a script reads or writes as text.

What is not Unicode (UTF-16) is Windows-1252, as a Windows of Western Europe or America has it. Whatever is written
is in the file when the statement is over, closed or not.

Source: the TextStream object, CreateTextFile and OpenTextFile of the Scripting runtime's reference.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import stat
import weakref
from enum import IntEnum
from typing import Any

from vpcshim.clients.files.places import Place, is_read_only
from vpcshim.clients.files.transfer import check_free
from vpcshim.clients.scripting.objects import offered
from vpcshim.clients.scripting.runtime_errors import Number, failed, told
from vpcshim.clients.scripting.streams import InStream, lines


class Mode(IntEnum):
    """IOMode."""

    ForReading = 1
    ForWriting = 2
    ForAppending = 8


_FLAGS = {
    Mode.ForReading: os.O_RDONLY,
    Mode.ForWriting: os.O_WRONLY | os.O_TRUNC,
    Mode.ForAppending: os.O_WRONLY | os.O_APPEND,
}
_ANSI, _UNICODE = "cp1252", "utf-16-le"
# Windows-1252 leaves five bytes open; Windows has them stand for themselves.
_AS_THEY_ARE = "vpcshim-cp1252"


def _stands_for_itself(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError):
        return chr(error.object[error.start]), error.start + 1
    if isinstance(error, UnicodeEncodeError) and error.object[error.start] in "\x81\x8d\x8f\x90\x9d":
        return bytes((ord(error.object[error.start]),)), error.start + 1
    raise error


codecs.register_error(_AS_THEY_ARE, _stands_for_itself)


class TextStream(InStream):
    """An open file."""

    def __init__(self, place: Place, file: io.FileIO, mode: Mode, *, unicode: bool) -> None:
        self._shown = place.shown
        self._file = file
        weakref.finalize(self, file.close)  # a script need not close what it lets go of
        self._mode = mode
        self._encoding = _UNICODE if unicode else _ANSI
        self._errors = "replace" if unicode and mode is Mode.ForReading else _AS_THEY_ARE
        super().__init__(self._reader() if mode is Mode.ForReading else io.StringIO())
        if unicode:
            self._mark()

    def _reader(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BufferedReader(self._file), self._encoding, self._errors, newline="\n")

    def _mark(self) -> None:
        """Pass over the mark that a file of UTF-16 begins with, or begin a new one with it."""
        if self._mode is Mode.ForReading:
            self._ahead = self._stream.readline().removeprefix("\ufeff")
        elif not os.fstat(self._file.fileno()).st_size:
            self._put(codecs.BOM_UTF16_LE)

    def _need(self) -> None:
        self._check(reads=True)
        super()._need()

    def _fill(self) -> bool:
        self._check(reads=True)
        return super()._fill()

    def _check(self, *, reads: bool) -> None:
        if self._file.closed:
            raise failed(Number.BAD_MODE, f"{self._shown} is closed")
        if reads is not (self._mode is Mode.ForReading):
            raise failed(Number.BAD_MODE, f"{self._shown} is open for {'writing' if reads else 'reading'}")

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        with told(self._shown):
            while left:
                left = left[self._file.write(left) or 0 :]

    @offered("Write", text=True)
    def write(self, text: str) -> None:
        """Write a text."""
        self._check(reads=False)
        try:
            data = text.encode(self._encoding, self._errors)
        except UnicodeEncodeError as error:
            why = f"{text[error.start]!a} is not in Windows-1252, in which {self._shown} is written"
            raise failed(Number.INVALID_ARGUMENT, f"{why}: open it as Unicode") from error
        self._put(data)
        self._taken(text)

    @offered("WriteLine", text=True)
    def write_line(self, text: str = "") -> None:
        """Write a line."""
        self.write(text + "\r\n")

    @offered("WriteBlankLines")
    def write_blank_lines(self, count: Any) -> None:
        """Write so many empty lines."""
        self.write("\r\n" * lines(count))

    @offered("Close")
    def close(self) -> None:
        """Close the file; one that is closed stays so."""
        self._stream.close()
        self._file.close()


def open_text(place: Place, mode: Mode, *, unicode: bool, create: bool, replace: bool = True) -> TextStream:
    """Open a file.

    Args:
        place: The file.
        mode: What for.
        unicode: Whether it is UTF-16.
        create: Whether it is made where there is none.
        replace: Whether one that is there may be opened.

    Raises:
        ComError: File not found, Path not found, File already exists, Permission denied.
    """
    if place.is_folder:
        raise failed(Number.DENIED, f"{place.shown} (it is a folder)")
    if mode is not Mode.ForReading and place.is_file:
        if is_read_only(place):  # which would not stop root
            raise failed(Number.DENIED, f"{place.shown} (it is read-only)")
        check_free(place)
    flags = _FLAGS[mode] | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe would block the opening for ever
    flags |= (os.O_CREAT if create else 0) | (0 if replace else os.O_EXCL)
    there = place.host.parent.is_dir()
    with told(place.shown, Number.FILE_NOT_FOUND if there else Number.PATH_NOT_FOUND):
        handle = os.open(place.host, flags, 0o666)
        if not stat.S_ISREG(os.fstat(handle).st_mode) and not stat.S_ISCHR(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EPERM, "it is no regular file")
    file = io.FileIO(handle, "rb" if mode is Mode.ForReading else "wb")
    return TextStream(place, file, mode, unicode=unicode)
