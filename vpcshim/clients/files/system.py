"""FileSystemObject: the members that work on paths.

Source: the FileSystemObject object of the Scripting runtime's reference.
"""

from __future__ import annotations

import ntpath
import secrets
import tempfile
from pathlib import Path
from typing import Any

from vpcshim.clients.files.entries import (
    Drive,
    Drives,
    File,
    FilesObject,
    Folder,
    create_text,
    into,
    is_unicode,
    make_folder,
    mode_of,
)
from vpcshim.clients.files.places import Place, Places, exists, has_wildcard, pairs
from vpcshim.clients.files.streams import TextStream
from vpcshim.clients.files.wine import Wine
from vpcshim.clients.scripting.conversions import as_bool, as_int, as_text
from vpcshim.clients.scripting.objects import HostObject, offered
from vpcshim.clients.scripting.runtime_errors import Number, failed
from vpcshim.clients.scripting.streams import InStream, OutStream

_NAMES = ("scripting.filesystemobject", "{0d43fe01-f093-11cf-8940-00a0c9054228}")


def is_file_system(progid: str) -> bool:
    """Whether that names the class FileSystemObject: its ProgID or its CLSID."""
    return progid.lower() in _NAMES


class FileSystemObject(FilesObject):
    """The files of this machine.

    Args:
        places: The script's paths.
        wine: What only Wine knows.
        standard: The standard streams: input, output, errors.
    """

    def __init__(self, places: Places, wine: Wine, standard: tuple[InStream, OutStream, OutStream]) -> None:
        self._places = places
        self._wine = wine
        self._standard = standard

    # -- names, whether or not there is anything -----------------------------------------------------------

    @offered("BuildPath")
    def build_path(self, path: Any, name: Any) -> str:
        """The path and the name, with a backslash where neither has one between them."""
        head, tail = as_text(path), as_text(name)
        if not head or not tail:
            return head + tail
        if head.endswith("\\") and tail.startswith("\\"):
            return head[:-1] + tail
        return head + tail if head.endswith(("\\", "/", ":")) or tail.startswith("\\") else f"{head}\\{tail}"

    @offered("GetDriveName")
    def drive_name(self, path: Any) -> str:
        """The letter with its colon, or the share; "" where the path has none."""
        return ntpath.splitdrive(as_text(path))[0]

    @offered("GetParentFolderName")
    def parent_name(self, path: Any) -> str:
        """The path without its last part; "" where there is no more."""
        drive, rest = ntpath.splitdrive(as_text(path))
        kept = rest.rstrip("\\/")
        if not kept:
            return ""
        head = kept[: max(kept.rfind("\\"), kept.rfind("/")) + 1]
        return drive + (head.rstrip("\\/") or head[:1])

    @offered("GetFileName")
    def file_name(self, path: Any) -> str:
        """The last part of the path."""
        return ntpath.basename(ntpath.splitdrive(as_text(path))[1].rstrip("\\/"))

    @offered("GetBaseName")
    def base_name(self, path: Any) -> str:
        """The last part, without its extension."""
        name, dot, _ = self.file_name(path).rpartition(".")
        return name if dot else self.file_name(path)

    @offered("GetExtensionName")
    def extension_name(self, path: Any) -> str:
        """What comes after the last dot of the last part."""
        _, dot, extension = self.file_name(path).rpartition(".")
        return extension if dot else ""

    @offered("GetAbsolutePathName")
    def absolute_name(self, path: Any) -> str:
        """The whole path, without `.` and `..`."""
        return self._places.absolute(as_text(path))

    @offered("GetTempName")
    def temp_name(self) -> str:
        """A name that no file is likely to have."""
        return f"rad{secrets.token_hex(3)[:5].upper()}.tmp"

    # -- what is there -------------------------------------------------------------------------------------

    @offered("Drives", prop=True)
    def drives(self) -> Drives:
        """The letters."""
        return Drives(self._places)

    @offered("DriveExists")
    def drive_exists(self, drive: Any) -> bool:
        """Whether the letter stands for a folder."""
        return ntpath.splitdrive(as_text(drive))[0][:1].upper() in self._places.letters or (
            as_text(drive).upper() in self._places.letters
        )

    @offered("FileExists")
    def file_exists(self, path: Any) -> bool:
        """Whether there is such a file."""
        return exists(lambda: self._places.file(as_text(path)))

    @offered("FolderExists")
    def folder_exists(self, path: Any) -> bool:
        """Whether there is such a folder."""
        return exists(lambda: self._places.folder(as_text(path)))

    @offered("GetDrive")
    def drive(self, drive: Any) -> Drive:
        r"""The drive of a letter (`C`, `C:` or `C:\`)."""
        return Drive(self._places, as_text(drive))

    @offered("GetFile")
    def file(self, path: Any) -> File:
        """The file; ComError: File not found."""
        return File(self._places, self._places.file(as_text(path)))

    @offered("GetFolder")
    def folder(self, path: Any) -> Folder:
        """The folder; ComError: Path not found."""
        return Folder(self._places, self._places.folder(as_text(path)))

    @offered("GetSpecialFolder")
    def special_folder(self, which: Any) -> Folder:
        """The folder of Windows (0), its system's (1), which are Wine's, or that of temporary files (2)."""
        windows = self._places.windows / "windows"
        folders = (windows, windows / "system32", Path(tempfile.gettempdir()))
        number = as_int(which)
        if not 0 <= number < len(folders):
            raise failed(Number.INVALID_ARGUMENT, f"a special folder is 0, 1 or 2, not {number}")
        return Folder(self._places, self._places.of_host(folders[number]))

    @offered("GetFileVersion")
    def file_version(self, path: Any) -> str:
        """The version in a program's file, as Wine reads it; "" where there is none."""
        return self._wine.file_version(self._places.wines(self._places.file(as_text(path))))

    # -- changes -------------------------------------------------------------------------------------------

    @offered("CreateFolder")
    def create_folder(self, path: Any) -> Folder:
        """Make a folder; ComError: File already exists, Path not found."""
        return make_folder(self._places, as_text(path))

    @offered("CreateTextFile")
    def create_text_file(self, path: Any, overwrite: Any = True, unicode: Any = False) -> TextStream:
        """Make a file, and open it for writing."""
        return create_text(self._places, as_text(path), overwrite, unicode)

    @offered("OpenTextFile")
    def open_text_file(self, path: Any, mode: Any = 0, create: Any = False, form: Any = 0) -> TextStream:
        """Open a file for reading (1), writing it anew (2) or writing on at its end (8)."""
        place, make = self._places.place(as_text(path)), as_bool(create, default=False)
        return self._places.changes.open(place, mode_of(mode), unicode=is_unicode(form), create=make)

    @offered("GetStandardStream")
    def standard_stream(self, which: Any, unicode: Any = False) -> HostObject:
        """Standard input (0), output (1) or errors (2)."""
        number = as_int(which)
        if not 0 <= number < len(self._standard):
            raise failed(Number.INVALID_ARGUMENT, f"a standard stream is 0, 1 or 2, not {number}")
        return self._standard[number]

    @offered("CopyFile")
    def copy_file(self, source: Any, target: Any, overwrite: Any = True) -> None:
        """Copy a file to a path, or those that fit a pattern into a folder."""
        self._copy(source, target, overwrite, folders=False)

    @offered("CopyFolder")
    def copy_folder(self, source: Any, target: Any, overwrite: Any = True) -> None:
        """Copy a folder, or those that fit a pattern, with all that is in them."""
        self._copy(source, target, overwrite, folders=True)

    def _copy(self, source: Any, target: Any, overwrite: Any, *, folders: bool) -> None:
        replace = as_bool(overwrite, default=True)
        for one, place in self._pairs(source, target, folders=folders):
            self._places.changes.copy(one, place, overwrite=replace)

    @offered("MoveFile")
    def move_file(self, source: Any, target: Any) -> None:
        """Move a file to a path where there is nothing, or those that fit a pattern into a folder."""
        self._move(source, target, folders=False)

    @offered("MoveFolder")
    def move_folder(self, source: Any, target: Any) -> None:
        """Move a folder, as `MoveFile`."""
        self._move(source, target, folders=True)

    def _move(self, source: Any, target: Any, *, folders: bool) -> None:
        for one, place in self._pairs(source, target, folders=folders):
            self._places.changes.move(one, place)

    def _pairs(self, source: Any, target: Any, *, folders: bool) -> list[tuple[Place, Place]]:
        path, to = as_text(source), as_text(target)
        found = self._places.matching(path, folders=folders)
        if has_wildcard(path):
            return list(pairs(found, self._places.folder(to)))
        return [(one, into(self._places, one, to)) for one in found]

    @offered("DeleteFile")
    def delete_file(self, path: Any, force: Any = False) -> None:
        """Delete a file, or those that fit a pattern; read-only ones only with `force`."""
        self._delete(path, force, folders=False)

    @offered("DeleteFolder")
    def delete_folder(self, path: Any, force: Any = False) -> None:
        """Delete a folder, or those that fit a pattern, with all that is in them."""
        self._delete(path, force, folders=True)

    def _delete(self, path: Any, force: Any, *, folders: bool) -> None:
        forced = as_bool(force, default=False)
        for one in self._places.matching(as_text(path), folders=folders):
            self._places.changes.delete(one, force=forced)
