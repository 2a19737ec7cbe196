"""What of a script's files only Wine knows, whose programs have a current folder of their own.

Sources: WshShell.CurrentDirectory (Windows Script Host), FileSystemObject.GetFileVersion (Scripting runtime).
"""

from __future__ import annotations

from typing import Any, Protocol

from vpcshim.com.errors import ComError

_GET = 2  # DISPATCH_PROPERTYGET
# ERROR_RESOURCE_DATA_NOT_FOUND and its like: no program, or one that has no version.
_NO_RESOURCES = range(0x8007_0714, 0x8007_0718)


class Session(Protocol):
    """What is needed of the session with Wine's side."""

    def create(self, progid: str) -> Any:
        """An object of Wine's; raises ComError."""

    def call_object(self, obj: Any, name: str, args: tuple[Any, ...] = (), flags: int = 3) -> Any:
        """Call a member of it; raises ComError."""


class Wine:
    """Objects of Wine's own in the process that the script runs in, each made when it is first needed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._objects: dict[str, Any] = {}

    def current_folder(self) -> str:
        """The current folder, which a script may have changed (CurrentDirectory of WScript.Shell)."""
        return str(self._session.call_object(self._object("WScript.Shell"), "CurrentDirectory", (), _GET))

    def file_version(self, path: str) -> str:
        """The version in a program's file; "" where there is none."""
        files = self._object("Scripting.FileSystemObject")
        try:
            return str(self._session.call_object(files, "GetFileVersion", (path,)))
        except ComError as error:
            if error.scode & 0xFFFF_FFFF in _NO_RESOURCES:
                return ""
            raise

    def _object(self, progid: str) -> Any:
        if progid not in self._objects:
            self._objects[progid] = self._session.create(progid)
        return self._objects[progid]
