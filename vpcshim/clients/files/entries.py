"""Drives, folders and files as objects.

A number that this machine does not know is an error and not 0: a volume's label and serial number, when a file was
made where its file system does not say.

Source: the Drive, Folder and File objects of the Scripting runtime's reference.
"""

from __future__ import annotations

import contextlib
import ntpath
import os
import re
import stat
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any

from vpcshim.clients.files.places import Place, Places, entries, is_read_only, pairs
from vpcshim.clients.files.streams import Mode, TextStream
from vpcshim.clients.scripting.conversions import as_bool, as_int, as_text
from vpcshim.clients.scripting.objects import HostObject, offered
from vpcshim.clients.scripting.runtime_errors import Number, failed, told
from vpcshim.com.variant import VT, Variant

_LONG = (1 << 31) - 1


class Attributes(IntFlag):
    """FileAttribute."""

    ReadOnly = 1
    Hidden = 2
    Directory = 16
    Archive = 32
    Alias = 1024


_NOT_KEPT = Attributes.Archive | Attributes.Directory | Attributes.Alias


class DriveType(IntEnum):
    """DriveTypeConst."""

    Fixed = 2
    Remote = 3
    CDRom = 4
    RamDisk = 5


_REMOTE = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs", "virtiofs")
_TYPES = {
    **dict.fromkeys((*_REMOTE, "nfs4", "smb3"), DriveType.Remote),
    **dict.fromkeys(("iso9660", "udf"), DriveType.CDRom),
    **dict.fromkeys(("tmpfs", "ramfs"), DriveType.RamDisk),
}


class FilesObject(HostObject):
    """What all objects of files have in common."""

    source = "Scripting.FileSystemObject"

    def invoke(self, dispid: int, flags: int, args: tuple[Any, ...]) -> Any:
        """As `HostObject`; nothing that the system refuses gets past a script's own handling of errors."""
        with told(type(self).__name__):
            return super().invoke(dispid, flags, args)


class Entry(FilesObject):
    """What a file and a folder have in common."""

    _missing = Number.FILE_NOT_FOUND

    def __init__(self, places: Places, place: Place) -> None:
        self._places = places
        self._place = place

    def _stat(self) -> os.stat_result:
        with told(self._place.shown, self._missing):
            return os.stat(self._place.host)

    @offered("Path", prop=True, default=True)
    def path(self) -> str:
        """The whole path."""
        return self._place.shown

    @offered("Name", prop=True)
    def name(self) -> str:
        """The last part of the path; "" of a drive's root."""
        return self._place.name

    def put_name(self, name: Any) -> None:
        """Rename it, in the folder that it is in."""
        wanted = as_text(name)
        if ntpath.basename(wanted) != wanted or not self._place.name:
            raise failed(Number.INVALID_ARGUMENT, f"{self._place.shown} cannot be named {wanted!r}")
        self._move_to(self._places.place(ntpath.join(self._around().shown, wanted)))

    @offered("ShortPath", prop=True)
    def short_path(self) -> str:
        """The whole path: Linux has no short names, as a volume of Windows may have none."""
        return self._place.shown

    @offered("ShortName", prop=True)
    def short_name(self) -> str:
        """The name, as `ShortPath`."""
        return self._place.name

    @offered("Drive", prop=True)
    def drive(self) -> HostObject:
        """The drive that its path begins with."""
        place = self._place
        while place.shown.startswith("/") and place.name:
            place = self._places.parent(place)
        letter = ntpath.splitdrive(place.shown)[0]
        if not letter:
            raise failed(Number.DEVICE_UNAVAILABLE, f"no drive letter covers {self._place.shown}")
        return Drive(self._places, letter)

    @offered("ParentFolder", prop=True)
    def parent(self) -> Any:
        """The folder that it is in; Nothing for a drive's root."""
        return Folder(self._places, self._around()) if self._place.name else Variant(VT.DISPATCH, None)

    def _around(self) -> Place:
        return self._places.parent(self._place)

    @offered("Attributes", prop=True)
    def attributes(self) -> int:
        """What of it is read-only, hidden (its name begins with a dot), a folder, a link; files are Archive."""
        found = Attributes.Directory if stat.S_ISDIR(self._stat().st_mode) else Attributes.Archive
        if is_read_only(self._place):
            found |= Attributes.ReadOnly
        if self._place.name.startswith("."):
            found |= Attributes.Hidden
        if self._place.host.is_symlink():
            found |= Attributes.Alias
        return int(found)

    def put_attributes(self, wanted: Any) -> None:
        """Make it read-only, or not. A file stays Archive: as if it had been written to since the last backup."""
        now, then = self.attributes(), as_int(wanted)
        if (now ^ then) & ~_NOT_KEPT & ~Attributes.ReadOnly:
            text = (
                f"of the attributes of {self._place.shown} Linux keeps ReadOnly alone: {now} cannot become {then}"
            )
            raise failed(Number.INVALID_ARGUMENT, text)
        self._places.changes.set_read_only(self._place, bool(then & Attributes.ReadOnly))

    @offered("DateCreated", prop=True)
    def created(self) -> datetime:
        """When it was made, in local time."""
        self._stat()
        # Python's os.stat does not tell it on Linux.
        command = ["stat", "--dereference", "--format=%W", "--", str(self._place.host)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if not answer.stdout.strip().isdigit() or int(answer.stdout) == 0:
            text = f"when {self._place.shown} was made is not known to its file system"
            raise failed(Number.NOT_BUILT, text)
        return datetime.fromtimestamp(int(answer.stdout))

    @offered("DateLastModified", prop=True)
    def modified(self) -> datetime:
        """When it was last written to, in local time."""
        return datetime.fromtimestamp(int(self._stat().st_mtime))

    @offered("DateLastAccessed", prop=True)
    def accessed(self) -> datetime:
        """When it was last read, in local time, as far as its file system keeps that."""
        return datetime.fromtimestamp(int(self._stat().st_atime))

    @offered("Delete")
    def delete(self, force: Any = False) -> None:
        """Delete it, and what is in it; a read-only one only with `force`."""
        self._stat()
        self._places.changes.delete(self._place, force=as_bool(force, default=False))

    @offered("Copy")
    def copy(self, target: Any, overwrite: Any = True) -> None:
        """Copy it to a path, or into the folder whose path ends in a backslash."""
        self._stat()
        place = into(self._places, self._place, as_text(target))
        self._places.changes.copy(self._place, place, overwrite=as_bool(overwrite, default=True))

    @offered("Move")
    def move(self, target: Any) -> None:
        """Move it, as `Copy`; it is the one at the new path from then on."""
        self._stat()
        self._move_to(into(self._places, self._place, as_text(target)))

    def _move_to(self, target: Place) -> None:
        self._place = self._places.changes.move(self._place, target)


class File(Entry):
    """A file."""

    @offered("Size", prop=True)
    def size(self) -> int | float:
        """How many bytes it has."""
        return _number(self._stat().st_size)

    @offered("Type", prop=True)
    def type(self) -> str:
        """The extension, as Windows calls what no program has claimed."""
        extension = ntpath.splitext(self._place.name)[1][1:]
        return f"{extension.upper()} File" if extension else "File"

    @offered("OpenAsTextStream")
    def open(self, mode: Any = Mode.ForReading, form: Any = 0) -> TextStream:
        """Open it to read it, to write it anew, or to write on at its end."""
        return self._places.changes.open(self._place, mode_of(mode), unicode=is_unicode(form))


class Folder(Entry):
    """A folder."""

    _missing = Number.PATH_NOT_FOUND

    @offered("Size", prop=True)
    def size(self) -> int | float:
        """How many bytes all files in it have, links to folders not followed."""
        return _number(_sum_of(self._place))

    @offered("Type", prop=True)
    def type(self) -> str:
        """As Windows calls it."""
        return "File folder"

    @offered("IsRootFolder", prop=True)
    def is_root(self) -> bool:
        """Whether it is a drive's root."""
        return not self._place.name

    @offered("Files", prop=True)
    def files(self) -> HostObject:
        """The files in it."""
        return Files(self._places, self._place)

    @offered("SubFolders", prop=True)
    def folders(self) -> HostObject:
        """The folders in it."""
        return Folders(self._places, self._place)

    @offered("CreateTextFile")
    def create(self, name: Any, overwrite: Any = True, unicode: Any = False) -> TextStream:
        """Make a file in it, and open it for writing."""
        path = ntpath.join(self._place.shown, as_text(name))
        return create_text(self._places, path, overwrite, unicode)


class _Contents(FilesObject, ABC):
    """What is in a folder, looked up each time."""

    def __init__(self, places: Places, folder: Place) -> None:
        self._places = places
        self._folder = folder

    @abstractmethod
    def _all(self) -> Iterator[Entry]: ...

    @offered("Count", prop=True)
    def count(self) -> int:
        """How many there are."""
        return sum(1 for _ in self._all())

    @offered("Item", prop=True, default=True)
    def item(self, name: Any) -> Entry:
        """The one of that name, in any case."""
        wanted = as_text(name).casefold()
        found = [one for one in self._all() if one.name().casefold() == wanted]
        exact = [one for one in found if one.name() == name]
        if not found:
            raise failed(Number.FILE_NOT_FOUND, ntpath.join(self._folder.shown, as_text(name)))
        return (exact or found)[0]

    @offered("_NewEnum", prop=True, enumerates=True)
    def each(self) -> Iterator[Entry]:
        """What For Each asks for."""
        return self._all()


class Files(_Contents):
    """The files in a folder."""

    def _all(self) -> Iterator[Entry]:
        return (File(self._places, one) for one in entries(self._folder) if not one.is_folder)


class Folders(_Contents):
    """The folders in a folder."""

    def _all(self) -> Iterator[Entry]:
        return (Folder(self._places, one) for one in entries(self._folder) if one.is_folder)

    @offered("Add")
    def add(self, name: Any) -> Folder:
        """Make a folder in it."""
        return make_folder(self._places, ntpath.join(self._folder.shown, as_text(name)))


class Drive(FilesObject):
    """A letter, and the file system that its folder is in."""

    def __init__(self, places: Places, letter: str) -> None:
        self._places = places
        self._letter = letter[:1].upper()
        folder = places.letters.get(self._letter)
        if not re.fullmatch(r"[A-Za-z](:\\?)?", letter):
            raise failed(Number.INVALID_ARGUMENT, f"a drive is a letter, as C:, not {letter!r}")
        if folder is None:
            known = ", ".join(f"{one}:" for one in sorted(places.letters))
            raise failed(Number.DEVICE_UNAVAILABLE, f"{letter} (drives: {known})")
        self._root = Place(f"{self._letter}:\\", folder)

    def _space(self) -> os.statvfs_result:
        with told(self._root.shown, Number.DEVICE_UNAVAILABLE):
            return os.statvfs(self._root.host)

    @offered("Path", prop=True, default=True)
    def path(self) -> str:
        """The letter and a colon."""
        return f"{self._letter}:"

    @offered("DriveLetter", prop=True)
    def letter(self) -> str:
        """The letter."""
        return self._letter

    @offered("RootFolder", prop=True)
    def root(self) -> Folder:
        """The folder that the letter stands for."""
        return Folder(self._places, self._root)

    @offered("IsReady", prop=True)
    def is_ready(self) -> bool:
        """Whether that folder is there."""
        return self._root.is_folder

    @offered("ShareName", prop=True)
    def share(self) -> str:
        """The share of a network drive; a letter here stands for a folder, and has none."""
        return ""

    @offered("TotalSize", prop=True)
    def total(self) -> float:
        """Bytes of the file system."""
        space = self._space()
        return float(space.f_blocks * space.f_frsize)

    @offered("FreeSpace", prop=True)
    def free(self) -> float:
        """Bytes of it that nothing takes."""
        space = self._space()
        return float(space.f_bfree * space.f_frsize)

    @offered("AvailableSpace", prop=True)
    def available(self) -> float:
        """Bytes of it that this user may take."""
        space = self._space()
        return float(space.f_bavail * space.f_frsize)

    @offered("FileSystem", prop=True)
    def file_system(self) -> str:
        """What kind of file system it is, as Linux calls it (ext4, nfs4)."""
        with told(self._root.shown, Number.DEVICE_UNAVAILABLE):
            return _kind_of(self._root.host)

    @offered("DriveType", prop=True)
    def drive_type(self) -> int:
        """DriveTypeConst: remote, of a CD-ROM, in memory, else fixed."""
        return int(_TYPES.get(self.file_system(), DriveType.Fixed))

    @offered("VolumeName", prop=True)
    def volume(self) -> str:
        """The file system's label, which only root could read from its device."""
        raise failed(Number.NOT_BUILT, f"the label of the file system under {self._root.shown} is not known here")

    @offered("SerialNumber", prop=True)
    def serial(self) -> int:
        """A number of Windows' file systems, which Linux's have none of."""
        raise failed(Number.NOT_BUILT, f"the file system under {self._root.shown} has no serial number")


class Drives(FilesObject):
    """The letters."""

    def __init__(self, places: Places) -> None:
        self._places = places

    @offered("Count", prop=True)
    def count(self) -> int:
        """How many there are."""
        return len(self._places.letters)

    @offered("Item", prop=True, default=True)
    def item(self, letter: Any) -> Drive:
        """The drive of a letter."""
        return Drive(self._places, as_text(letter))

    @offered("_NewEnum", prop=True, enumerates=True)
    def each(self) -> Iterator[Drive]:
        """What For Each asks for."""
        return (Drive(self._places, letter) for letter in sorted(self._places.letters))


def into(places: Places, source: Place, target: str) -> Place:
    """Where it goes: to that path, or into the folder whose path ends in a backslash."""
    if target[-1:] in ("\\", "/"):
        return next(pairs([source], places.folder(target)))[1]
    return places.place(target)


def make_folder(places: Places, path: str) -> Folder:
    """Make a folder; ComError: File already exists, Path not found."""
    place = places.place(path)
    places.changes.make_folder(place)
    return Folder(places, place)


def create_text(places: Places, path: str, overwrite: Any, unicode: Any) -> TextStream:
    """Make a file, in the stead of one that is there where it may be overwritten, and open it for writing."""
    replace, wide = as_bool(overwrite, default=True), as_bool(unicode, default=False)
    return places.changes.open(places.place(path), Mode.ForWriting, unicode=wide, create=True, replace=replace)


def mode_of(value: Any) -> Mode:
    """The IOMode of an argument; for reading where it is left out."""
    number = as_int(value)
    if number == 0:
        return Mode.ForReading
    try:
        return Mode(number)
    except ValueError as error:
        text = f"a file is opened for reading (1), writing (2) or appending (8), not {number}"
        raise failed(Number.INVALID_ARGUMENT, text) from error


def is_unicode(value: Any) -> bool:
    """Whether a Tristate says that a file is UTF-16 (-1); 0 and -2, the system's default, are Windows-1252."""
    number = as_int(value)
    if number not in (-2, -1, 0):
        raise failed(Number.INVALID_ARGUMENT, f"a format is 0, -1 (Unicode) or -2, not {number}")
    return number == -1


def _number(size: int) -> int | float:
    """As scripts are given a size: a Long, or where that is too small a Double."""
    return size if size <= _LONG else float(size)


def _sum_of(folder: Place) -> int:
    total = 0
    for one in entries(folder):
        if not one.is_folder:
            with told(one.shown), contextlib.suppress(FileNotFoundError):  # gone meanwhile
                total += os.stat(one.host).st_size
        elif not one.host.is_symlink():
            total += _sum_of(one)
    return total


def _kind_of(folder: Path) -> str:
    """The kind of the file system that a folder is in: that which is mounted nearest above it, and last."""
    here = folder.resolve()
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.split() for line in file]
    mounted = [(Path(_unescaped(words[4])), words[words.index("-") + 1]) for words in lines]
    above = [(len(path.parts), at, kind) for at, (path, kind) in enumerate(mounted) if here.is_relative_to(path)]
    return max(above)[2]


def _unescaped(text: str) -> str:
    """A path as proc(5) writes it, with octal numbers for blanks and the like."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
