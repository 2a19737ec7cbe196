"""What a script does to files: it is done, or under `--dry-run` it is not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vpcshim.clients.files import streams, transfer
from vpcshim.clients.files.places import Place
from vpcshim.clients.files.streams import Mode, TextStream
from vpcshim.clients.scripting.runtime_errors import Number, told
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT


class Changes:
    """Does it; each raises ComError as the function that it calls."""

    def copy(self, source: Place, target: Place, *, overwrite: bool) -> None:
        """Copy a file, or a folder and what is in it."""
        copy = transfer.copy_folder if source.is_folder else transfer.copy_file
        copy(source, target, overwrite=overwrite)

    def move(self, source: Place, target: Place) -> Place:
        """Move a file or a folder to a path where there is nothing; where it is then."""
        return transfer.move(source, target)

    def delete(self, place: Place, *, force: bool) -> None:
        """Delete a file, or a folder and what is in it."""
        transfer.delete(place, force=force)

    def make_folder(self, place: Place) -> None:
        """Make a folder; ComError: File already exists, Path not found."""
        with told(place.shown, Number.PATH_NOT_FOUND):
            os.mkdir(place.host)

    def set_read_only(self, place: Place, read_only: bool) -> None:
        """Let nobody write to it, or its owner."""
        with told(place.shown):
            mode = stat.S_IMODE(os.stat(place.host).st_mode)
            os.chmod(place.host, mode & ~0o222 if read_only else mode | stat.S_IWUSR)

    def open(
        self, place: Place, mode: Mode, *, unicode: bool, create: bool = False, replace: bool = True
    ) -> TextStream:
        """Open a file, as `streams.open_text`."""
        return streams.open_text(place, mode, unicode=unicode, create=create, replace=replace)


class Pretended(Changes):
    """Does nothing of it. A new folder fails with E_ABORT; what is written to a file goes nowhere."""

    def copy(self, source: Place, target: Place, *, overwrite: bool) -> None:
        """Copy nothing, but fail where it would."""
        if source.is_folder:
            transfer.check_copy_folder(source, target)
        else:
            transfer.check_copy_file(source, target, overwrite=overwrite)

    def move(self, source: Place, target: Place) -> Place:
        """Move nothing, but fail where it would: it stays where it is."""
        transfer.check_move(source, target)
        return source

    def delete(self, place: Place, *, force: bool) -> None:
        """Delete nothing, but fail where it would."""
        transfer.check_delete(place, force=force)

    def make_folder(self, place: Place) -> None:
        """Make none."""
        raise Failure(HRESULT.E_ABORT, f"dry run: the folder {place.shown} would be made, and is not there")

    def set_read_only(self, place: Place, read_only: bool) -> None:
        """Change nothing."""

    def open(
        self, place: Place, mode: Mode, *, unicode: bool, create: bool = False, replace: bool = True
    ) -> TextStream:
        """Read a file; what is written goes nowhere."""
        if mode is not Mode.ForReading:
            nowhere = Place(place.shown, Path(os.devnull))
            return super().open(nowhere, mode, unicode=unicode)
        if create and not place.is_file:
            raise Failure(HRESULT.E_ABORT, f"dry run: {place.shown} would be made, and is not there")
        return super().open(place, mode, unicode=unicode)
