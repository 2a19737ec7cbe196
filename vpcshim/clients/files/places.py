r"""Which file a script means by a path, and what it is told that a file is called.

Letters stand for what the drive map says. Beside those, `Z:` is this machine's root folder and `C:` the drive of
Wine's Windows, as for all else that runs in Wine; a path of the host (`/srv/vm/web.vmc`, which the model hands out
where no letter covers it) is one as well.
"""

from __future__ import annotations

import ntpath
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vpcshim.clients.scripting.runtime_errors import Number, failed, of_path, told
from vpcshim.com.errors import ComError, Failure
from vpcshim.model.paths import DriveMap, nameable

if TYPE_CHECKING:
    from vpcshim.clients.files.changes import Changes

# What is on Wine's drive C:.
_OF_WINDOWS = ("windows", "users", "program files", "program files (x86)", "programdata")
_SHARE = ("\\\\", "//")


class Place(NamedTuple):
    """A file or folder, or where one may come to be.

    Attributes:
        shown: Its path as the script is told it.
        host: Its path on this machine.
    """

    shown: str
    host: Path

    @property
    def name(self) -> str:
        """Its own name, which a drive's root has none of."""
        return "" if ntpath.splitdrive(self.shown)[1] in ("", "\\") else self.host.name

    def child(self, name: str) -> Place:
        """What is of that name in it; where a script's path cannot say it, the host's does."""
        host = self.host / name
        as_scripts_do = not self.shown.startswith("/") and nameable(name)
        return Place(ntpath.join(self.shown, name) if as_scripts_do else str(host), host)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return os.path.isdir(self.host)

    @property
    def is_file(self) -> bool:
        """Whether it is there and no folder."""
        return os.path.exists(self.host) and not self.is_folder


class Places:
    """The paths of one script.

    Args:
        drives: The letters that the script's drive map has; None where that is about another machine.
        windows: The folder of the host that Wine's `C:` is.
        current: Tells the script's current folder, as Wine's Windows has it.
        changes: What becomes of what the script does to files.

    Attributes:
        windows: As given.
        changes: As given.
    """

    def __init__(
        self, drives: DriveMap | None, windows: Path, current: Callable[[], str], changes: Changes
    ) -> None:
        self.windows = windows
        self.changes = changes
        wines = {"C:": windows, "Z:": Path("/")}
        self._wines = DriveMap(wines)
        self._given = DriveMap({}) if drives is None else drives
        self._drives = self._given.over(wines)
        self._elsewhere = drives is None
        self._current = current

    @property
    def letters(self) -> dict[str, Path]:
        """The folder of each letter."""
        return self._drives.folders

    def place(self, path: str) -> Place:
        """The file of that path; there may be none.

        Raises:
            ComError: Path not found, Bad file name or number: it can be none of this machine.
        """
        if not path.strip():
            raise failed(Number.INVALID_ARGUMENT, "a path is not empty")
        shown = self.absolute(path)
        if shown.startswith(_SHARE):
            text = f"{path} (shares are not reached: mount it here, and let --drive give its folder a letter)"
            raise failed(Number.PATH_NOT_FOUND, text)
        self._check_letter(shown)
        try:
            return Place(shown, self._drives.to_host(shown))
        except Failure as failure:
            raise of_path(failure) from failure

    def _check_letter(self, shown: str) -> None:
        """Refuse a letter that stands for no folder; on Wine's own drive nobody would look for what was made."""
        letter, rest = shown[:1], shown[3:]
        if shown.startswith("/") or letter in self._given.folders or letter == "Z":
            return
        if letter == "C" and (not rest or rest.split("\\")[0].lower() in _OF_WINDOWS):
            return
        way = f"--drive {letter}:=/folder, or VPCSHIM_DRIVES, gives it one"
        if self._elsewhere:
            way = "--drive and VPCSHIM_DRIVES are about the machine of the server; Z: is this one's root folder"
        raise failed(
            Number.PATH_NOT_FOUND, f"{shown} (drive {letter}: stands for no folder of this machine: {way})"
        )

    def of_host(self, host: Path) -> Place:
        """The place of a path of the host."""
        return Place(self._drives.to_script(host), host)

    def parent(self, place: Place) -> Place:
        """The folder that it is in, which a drive's root is in none."""
        shown, host = place
        if shown.startswith("/"):
            return self.of_host(host.parent)
        return Place(ntpath.dirname(shown), host.parent)

    def wines(self, place: Place) -> str:
        """The path under which programs of Wine's reach it."""
        return self._wines.to_script(place.host)

    def absolute(self, path: str) -> str:
        r"""The whole path, without `.` and `..`, whether or not there is anything; relative to the current folder.

        Raises:
            ComError: As `place`.
        """
        if path.startswith(_SHARE):
            return ntpath.normpath(path)
        if path.startswith("/"):
            try:
                return self._drives.to_script(self._drives.to_host(path))
            except Failure as failure:
                raise of_path(failure) from failure
        drive, rest = ntpath.splitdrive(path)
        if drive and rest[:1] in ("\\", "/"):
            whole = path
        else:
            here = self._here()
            same = drive.upper() in ("", ntpath.splitdrive(here)[0].upper())
            if same and here.startswith("/"):
                return self.absolute(f"{here}\\{rest}")
            whole = ntpath.join(here, rest) if same else f"{drive}\\{rest}"
        whole = ntpath.normpath(whole)
        return whole[0].upper() + whole[1:]

    def _here(self) -> str:
        return self._drives.to_script(self._wines.to_host(self._current()))

    def folder(self, path: str) -> Place:
        """The folder of that path; ComError where there is none."""
        place = self.place(path)
        if not place.is_folder:
            with told(place.shown, Number.PATH_NOT_FOUND):
                os.stat(place.host)  # what cannot be looked at is not missing
            raise failed(Number.PATH_NOT_FOUND, place.shown)
        return place

    def file(self, path: str) -> Place:
        """The file of that path; ComError where there is none."""
        place = self.place(path)
        if not place.is_file:
            with told(place.shown):
                os.stat(place.host)
            raise failed(Number.FILE_NOT_FOUND, place.shown)
        return place

    def matching(self, path: str, *, folders: bool) -> list[Place]:
        """What a path with `*` and `?` in its last part stands for, by name; of one without, the thing itself.

        Raises:
            ComError: File not found, Path not found: there is none.
        """
        head, pattern = ntpath.split(path.rstrip("\\/") if folders else path)
        if not has_wildcard(path):
            return [self.folder(path) if folders else self.file(path)]
        folder = self.folder(head or ".")
        matches = matcher(pattern)
        found = [one for one in entries(folder) if one.is_folder == folders and matches(one.host.name)]
        if not found:
            number = Number.PATH_NOT_FOUND if folders else Number.FILE_NOT_FOUND
            raise failed(number, ntpath.join(folder.shown, pattern))
        return found


# How the name of a copy ends that is not whole yet, or will never be, since its writer was killed.
UNFINISHED = ".vpcshim-new"


def has_wildcard(path: str) -> bool:
    """Whether the last part of the path may stand for several names; what is there of the host's is itself."""
    whole = path.rstrip("\\/")
    is_name = whole.startswith("/") and os.path.lexists(whole)
    return not is_name and any(character in ntpath.basename(whole) for character in "*?")


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a name fits a pattern with `*` and `?`, in any case; `*.*` fits those without a dot, too."""
    parts = {"*": ".*", "?": "."}
    wanted = "*" if pattern == "*.*" else pattern
    regex = re.compile("".join(parts.get(one) or re.escape(one) for one in wanted), re.IGNORECASE | re.DOTALL)
    return lambda name: regex.fullmatch(name) is not None


def entries(folder: Place) -> Iterator[Place]:
    """What is in a folder, by name; links that lead nowhere are passed over, as what is neither file nor folder."""
    with told(folder.shown, Number.PATH_NOT_FOUND):
        names = sorted(os.listdir(folder.host), key=lambda name: (name.casefold(), name))
    for name in names:
        place = folder.child(name)
        if os.path.exists(place.host) and not name.endswith(UNFINISHED):
            yield place


def pairs(sources: Iterable[Place], folder: Place) -> Iterator[tuple[Place, Place]]:
    """Each with where it goes in a folder: to what has its name there, in any case.

    But for those that differ in case alone: one would replace the other.
    """
    found = list(sources)
    ours = Counter(one.host.name.casefold() for one in found)
    there: dict[str, list[str]] = {}
    with told(folder.shown, Number.PATH_NOT_FOUND):
        for name in os.listdir(folder.host):
            there.setdefault(name.casefold(), []).append(name)
    for one in found:
        name = one.host.name
        same = there.get(name.casefold(), [])
        alone = len(same) == ours[name.casefold()] == 1
        yield one, folder.child(same[0] if alone else name)


def is_read_only(place: Place) -> bool:
    """Whether nobody may write to it."""
    with told(place.shown):
        return not stat.S_IMODE(os.stat(place.host).st_mode) & 0o222


def exists(look: Callable[[], Place]) -> bool:
    """Whether what `look` looks for is there: what cannot be a path is no error here."""
    try:
        look()
    except ComError:
        return False
    return True
