r"""Paths as scripts write them, and as the host has them.

A script for these products says `C:\VMs\web.vhd`. The drive map says which folder of the host each letter stands
for; a path outside of it is refused. What is handed out is a Windows path where the map covers it. A script made
for this host may also use the host's own absolute paths.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT

_LONGEST = 260  # MAX_PATH, as the pages say: shorter than this
_LONGEST_HERE, _LONGEST_NAME = 4096, 255  # PATH_MAX and NAME_MAX of Linux, in bytes
_FORBIDDEN = '*?:<>/|"'
_WINDOWS = re.compile(r"([A-Za-z]):[\\/](.*)", re.DOTALL)
_LETTER = re.compile(r"([A-Za-z]):?[\\/]?")


class DriveMap:
    """Which folder of the host each drive letter stands for.

    Args:
        drives: Letters (`C:` or `C`, in any case) and absolute folders of the host.

    Raises:
        ValueError: A letter is none, or is there twice, or a folder is not absolute.
    """

    def __init__(self, drives: Mapping[str, str | os.PathLike[str]]) -> None:
        self._folders: dict[str, Path] = {}
        for given, folder in drives.items():
            letter = _letter(given)
            path = Path(os.path.normpath(folder))
            if not path.is_absolute():
                raise ValueError(f"drive {letter}: has to stand for an absolute folder, not {str(folder)!r}")
            _once(self._folders, letter, path)
            self._folders[letter] = path

    @classmethod
    def parsed(cls, text: str) -> DriveMap:
        """Of `C:=/srv/vm;D:=/data`, as VPCSHIM_DRIVES has it.

        Raises:
            ValueError: As the constructor, or a part has no `=`.
        """
        return cls(drives_of(text.split(";")))

    def to_host(self, path: str, *, base: Path | None = None) -> Path:
        r"""The host's path for one that a script gave.

        Args:
            path: A Windows path of a mapped drive, or an absolute path of the host, which a script may have gone on
                with in its own way (`vs.DefaultVMConfigurationPath & "\web\web.vhd"`).
            base: What a relative path (`.\hda.vhd`) is relative to; None refuses it.

        Raises:
            Failure: E_INVALID_NAME, E_BAD_PATHNAME, E_BUFFER_OVERFLOW or E_PATH_NOT_FOUND, as documented.
        """
        if not path.strip():
            raise Failure(HRESULT.E_INVALID_NAME, "a path is not empty", otherwise=(HRESULT.E_INVALIDARG,))
        if "\0" in path:
            raise Failure(HRESULT.E_INVALID_NAME, f"{path!r} holds a NUL")
        if path.startswith("/"):
            return _of_host(path)
        if len(path) >= _LONGEST:
            raise Failure(
                HRESULT.E_BUFFER_OVERFLOW, f"a path is shorter than {_LONGEST} characters, not {len(path)}"
            )
        found = _WINDOWS.fullmatch(path)
        rest = path if found is None else found[2]
        wrong = sorted({character for character in rest if character in _FORBIDDEN or ord(character) < 32})
        if wrong and not (found is None and path[1:2] == ":"):
            text = f"{path} cannot hold {' '.join(map(repr, wrong))}"
            raise Failure(HRESULT.E_INVALID_NAME, text)
        parts = [part for part in rest.split("\\") if part not in ("", ".")]
        _check_names(path, parts)
        if found is None:
            if base is None or path.startswith("\\") or path[1:2] == ":":
                raise Failure(HRESULT.E_BAD_PATHNAME, f"{path} is no absolute path (as C:\\VMs\\web.vhd)")
            return _below(base, parts, path)
        letter = found[1].upper()
        folder = self._folders.get(letter)
        if folder is None:
            known = ", ".join(f"{known}:" for known in sorted(self._folders)) or "none"
            text = (
                f"{path}: drive {letter}: stands for no folder of the host (mapped: {known}). "
                f"Give it one: --drive {letter}:=/folder (vpcshim run), VPCSHIM_DRIVES={letter}:=/folder, or "
                f"drives={{'{letter}:': '/folder'}} (CreateObject)"
            )
            raise Failure(HRESULT.E_PATH_NOT_FOUND, text)
        return _below(folder, parts, path, ceiling=folder)

    def over(self, others: Mapping[str, Path]) -> DriveMap:
        """This map, with the other letters that it has not got."""
        taken = {given: folder for given, folder in others.items() if _letter(given) not in self._folders}
        return DriveMap({**self._folders, **taken})

    @property
    def folders(self) -> dict[str, Path]:
        """The folder of each letter (`C`)."""
        return dict(self._folders)

    @property
    def missing(self) -> str:
        """The folders that are not there, each with its letter, in words; "" for none."""
        gone = [(letter, folder) for letter, folder in self._folders.items() if not os.path.isdir(folder)]
        return ", ".join(f"drive {letter}: stands for {folder}, which is no folder" for letter, folder in gone)

    def covers(self, path: Path) -> bool:
        """Whether a path of the host is in the folder of a mapped drive."""
        return any(path.is_relative_to(folder) for folder in self._folders.values())

    def to_script(self, path: str | os.PathLike[str]) -> str:
        """The path as a script is given it: of the mapped drive that covers it most closely, else the host's."""
        host = PurePosixPath(os.path.normpath(path))
        covering = [(letter, folder) for letter, folder in self._folders.items() if host.is_relative_to(folder)]
        if not covering or not all(map(nameable, host.parts[1:])):
            return str(host)
        letter, folder = max(covering, key=lambda pair: len(pair[1].parts))
        return f"{letter}:\\" + "\\".join(host.relative_to(folder).parts)


def nameable(name: str) -> bool:
    """Whether a path as scripts write it can have that name in it; else it would be another, or a pattern."""
    return "\\" not in name and not any(one in _FORBIDDEN or ord(one) < 32 for one in name)


def drives_of(parts: Iterable[str]) -> dict[str, str]:
    """The drives of parts like `C:=/srv/vm`; empty ones are passed over.

    Raises:
        ValueError: A part has no `=`, or no letter, or that of another part.
    """
    drives: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in parts)):
        given, equals, folder = part.partition("=")
        if not equals:
            raise ValueError(f"a drive is LETTER:=FOLDER, not {part!r}")
        letter = _letter(given.strip())
        _once(drives, letter, folder.strip())
        drives[letter] = folder.strip()
    return drives


def _letter(given: str) -> str:
    found = _LETTER.fullmatch(given)
    if found is None:
        raise ValueError(f"a drive is a letter, as C:, not {given!r}")
    return found[1].upper()


def _once(drives: Mapping[str, object], letter: str, folder: object) -> None:
    if letter in drives:
        raise ValueError(f"drive {letter}: is given twice, for {drives[letter]} and for {folder}")


def _check_names(path: str, names: Iterable[str]) -> None:
    """Refuse a path that no file system of Linux can hold.

    Raises:
        Failure: E_INVALID_NAME, or E_BUFFER_OVERFLOW: Windows counts characters, and Linux bytes.
    """
    try:
        path.encode()
    except UnicodeEncodeError as error:
        text = f"{path!a} cannot hold {path[error.start : error.end]!a}: it is half of a character"
        raise Failure(HRESULT.E_INVALID_NAME, text) from error
    sizes = [len(name.encode()) for name in names]
    if max(sizes, default=0) > _LONGEST_NAME or sum(sizes) + len(sizes) > _LONGEST_HERE:
        text = (
            f"{path[:80]}... is too long: the host's paths have at most {_LONGEST_HERE} bytes, and each name in "
            f"them {_LONGEST_NAME}"
        )
        raise Failure(HRESULT.E_BUFFER_OVERFLOW, text)


def _of_host(path: str) -> Path:
    r"""The host's path for one that begins as such; from its first `\` on it is as scripts write them.

    But for one that is there: names of the host may hold a `\`, as those that udev gives to disks do.
    """
    _check_names(path, path.replace("\\", "/").split("/"))
    exact = os.path.normpath(path)
    if "\\" not in path or os.path.lexists(exact):
        return Path(exact)
    start, *added = path.split("\\")
    folder = Path(os.path.normpath(start))
    return _below(folder, [name for part in added for name in part.split("/") if name not in ("", ".")], path)


def _below(folder: Path, parts: list[str], shown: str, *, ceiling: Path | None = None) -> Path:
    """The path below a folder, found in any case as Windows finds it; `..` does not leave the drive."""
    here = folder
    for part in parts:
        if part == "..":
            if here == ceiling:
                raise Failure(HRESULT.E_BAD_PATHNAME, f"{shown} leaves the folder that its drive stands for")
            here = here.parent
        else:
            here = _cased(here, part)
    return here


def _cased(folder: Path, name: str) -> Path:
    """The entry of that name; the only one in another case where there is no exact one; else as written."""
    exact = folder / name
    if os.path.exists(exact) or not os.path.isdir(folder):  # which, unlike Path's, are False where nobody may look
        return exact
    try:
        others = [entry for entry in os.listdir(folder) if entry.casefold() == name.casefold()]
    except PermissionError:
        return exact  # what is in it cannot be seen; whoever opens the file is told so
    return folder / others[0] if len(others) == 1 else exact
