"""Text streams as scripts have them: the standard ones, and how any is read.

Source: the TextStream object of the Scripting runtime's reference.
"""

from __future__ import annotations

import codecs
import io
from contextlib import suppress
from typing import Any, TextIO

from vpcshim.clients.scripting.conversions import as_int
from vpcshim.clients.scripting.frames import MAX_FRAME
from vpcshim.clients.scripting.objects import HostObject, offered
from vpcshim.clients.scripting.runtime_errors import Number, failed, told

_MOST_LINES = 1 << 16
_PART = 1 << 16
# Input that is not all of its encoding: such a byte is Windows-1252, as it is in a script.
_OTHERWISE = "vpcshim-otherwise-cp1252"
_LONGEST = (MAX_FRAME - 1024) // 2  # UTF-16 units of a text that the script can be given


def _as_windows_has_it(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    byte = error.object[error.start : error.start + 1]
    return byte.decode("cp1252", "replace"), error.start + 1


codecs.register_error(_OTHERWISE, _as_windows_has_it)


class Streams:
    """Where a script reads and writes.

    Standard input is read through its object alone: that may have read on, to say whether anything is left.

    Attributes:
        stdout: Standard output.
        stderr: Standard error.
        objects: Standard input, output and errors as the script has them.
    """

    def __init__(self, stdin: TextIO, stdout: TextIO, stderr: TextIO) -> None:
        if isinstance(stdin, io.TextIOWrapper):
            with suppress(io.UnsupportedOperation):  # somebody has read of it already
                stdin.reconfigure(errors=_OTHERWISE)
        self.stdout = stdout
        self.stderr = stderr
        self.objects = InStream(stdin, stdout), OutStream(stdout), OutStream(stderr)


class OutStream(HostObject):
    """A text stream that is written."""

    source = "TextStream"

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @offered("Write", text=True)
    def write(self, text: str) -> None:
        """Write a text; at once, as cscript does: whoever reads a pipe or a log sees it while the script runs."""
        self._stream.write(text.replace("\r\n", "\n"))
        self._stream.flush()

    @offered("WriteLine", text=True)
    def write_line(self, text: str = "") -> None:
        """Write a line."""
        self.write(text + "\n")

    @offered("WriteBlankLines")
    def write_blank_lines(self, count: Any) -> None:
        """Write so many empty lines."""
        self.write("\n" * lines(count))

    @offered("Close")
    def close(self) -> None:
        """Write out what is kept; the stream stays open, it is the caller's."""
        self._stream.flush()


def lines(count: Any) -> int:
    """A number of lines to write at once; ComError where nobody can mean so many."""
    number = as_int(count)
    if number > _MOST_LINES:
        raise failed(
            Number.INVALID_ARGUMENT, f"at most {_MOST_LINES} empty lines are written at once, not {number}"
        )
    return max(number, 0)


class InStream(HostObject):
    """A text stream that is read."""

    source = "TextStream"
    _shown = "standard input"

    def __init__(self, stream: TextIO, before: TextIO | None = None) -> None:
        """Read `stream`; what is kept for `before`, a prompt, is written out first."""
        self._stream = stream
        self._before = before
        self._ahead = ""
        self._line = 1
        self._column = 1

    def _fill(self) -> bool:
        if not self._ahead:
            if self._before is not None:
                self._before.flush()
            with told(self._shown):
                self._ahead = self._stream.readline(_PART)
        return bool(self._ahead)

    def _taken(self, text: str) -> str:
        newline = text.rfind("\n")
        self._line += text.count("\n")
        self._column = len(text) - newline if newline >= 0 else self._column + len(text)
        return text

    def _take(self, most: int, *, line: bool = False) -> str:
        """At most so many characters of what is left, or of the line with its end."""
        text = io.StringIO()
        while most and self._fill():
            part, self._ahead = self._ahead[:most], self._ahead[most:]
            most -= text.write(part)
            if line and part.endswith("\n"):
                break
        return self._taken(text.getvalue())

    def _whole(self, text: str) -> str:
        if len(text.encode("utf-16-le", "surrogatepass")) > 2 * _LONGEST:
            about = f"more than {_LONGEST} characters of {self._shown} are read at once"
            raise failed(Number.OUT_OF_MEMORY, about)
        return text

    def _need(self) -> None:
        if not self._fill():
            raise failed(Number.PAST_END, "nothing is left to be read")

    def answer(self) -> str | None:
        """The line that is typed in answer to a question, without its end; None where nothing is left.

        The bare end of a line that `Read` has begun answers nothing: the one after it does.
        """
        if self._column > 1 and self._fill() and self._ahead[0] in "\r\n":
            self.skip_line()
        return self.read_line() if self._fill() else None

    @offered("AtEndOfStream", prop=True)
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return not self._fill()

    @offered("AtEndOfLine", prop=True)
    def at_end_of_line(self) -> bool:
        """Whether the next character ends the line."""
        return not self._fill() or self._ahead[0] in "\r\n"

    @offered("Line", prop=True)
    def line(self) -> int:
        """The number of the line, from 1."""
        return self._line

    @offered("Column", prop=True)
    def column(self) -> int:
        """The number of the column, from 1."""
        return self._column

    @offered("ReadLine")
    def read_line(self) -> str:
        """The rest of the line, without its end."""
        self._need()
        text = self._whole(self._take(_LONGEST + 1, line=True))
        return text.removesuffix("\r\n").removesuffix("\n")

    @offered("ReadAll")
    def read_all(self) -> str:
        """All that is left."""
        self._need()
        return self._whole(self._take(_LONGEST + 1))

    @offered("Read")
    def read(self, count: Any) -> str:
        """So many characters, or as many as are left."""
        wanted = max(as_int(count), 0)
        self._need()
        return self._whole(self._take(min(wanted, _LONGEST + 1)))

    @offered("Skip")
    def skip(self, count: Any) -> None:
        """Pass over so many characters."""
        left = max(as_int(count), 0)
        self._need()
        while passed := self._take(min(left, _PART)):
            left -= len(passed)

    @offered("SkipLine")
    def skip_line(self) -> None:
        """Pass over the rest of the line."""
        self._need()
        while (part := self._take(_PART, line=True)) and not part.endswith("\n"):
            pass

    @offered("Close")
    def close(self) -> None:
        """Nothing to do: the stream is the caller's."""
