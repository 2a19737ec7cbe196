"""What a script file is: its language, and its text in whichever encoding its author's editor left it."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Literal

Language = Literal["vbscript", "jscript", "python"]
_LANGUAGES: dict[str, Language] = {".vbs": "vbscript", ".js": "jscript", ".py": "python"}

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LARGEST = 16 << 20
_NUL = "it holds NUL characters, which no script does"


class NotText(Exception):
    """The file is no text; the message says why."""


def language_of(path: Path) -> Language:
    """The language that the file's name says.

    Raises:
        NotText: It is the name of no script.
    """
    language = _LANGUAGES.get(path.suffix.lower())
    if language is None:
        raise NotText("no script known here: .vbs, .js and .py are")
    return language


def read_script(path: Path) -> str:
    """The text: UTF-16 or UTF-8 where the file says so, else UTF-8, else Windows-1252, as Windows would have it.

    Raises:
        OSError: The file cannot be read.
        NotText: It is larger than a script is, or holds what no text does.
    """
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise NotText(f"larger than {_LARGEST >> 20} MiB, which no script is")
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise NotText(f"not the {encoding} that its first bytes say: {error.reason}") from error
        # Windows-1252 as browsers and Windows read it: the five bytes it leaves open stand for themselves.
        text = "".join(bytes((byte,)).decode("cp1252", "replace") if byte > 0x7F else chr(byte) for byte in data)
    if "\0" in text:
        raise NotText(_NUL)
    return text


def check_python(path: Path) -> None:
    """See that Python reads the file at all: it decodes it by rules of its own, and knows no UTF-16.

    Raises:
        OSError: The file cannot be read.
        NotText: It holds bytes of zero.
    """
    data = path.read_bytes()
    if b"\0" in data:
        utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise NotText("it is UTF-16, which Python does not read: save it as UTF-8" if utf16 else _NUL)
