"""WScript, WScript.Arguments and the three streams: what Windows Script Host gives a script.

Source: the Windows Script Host reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vpcshim.clients.scripting.conversions import as_int, as_text
from vpcshim.clients.scripting.objects import HostObject, offered
from vpcshim.clients.scripting.streams import Streams
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT

# What Windows Script Host of Windows Server 2003 R2 and later says of itself.
_VERSION = "5.6"
_BUILD = 8827


class Host:
    """What WScript needs of the session; `scripting.run` wires it."""

    create: Callable[[str, str | None, str], Any]
    get: Callable[[str, str | None, str], Any]
    connect: Callable[[Any, str], None]
    disconnect: Callable[[Any], None]
    sleep: Callable[[float], None]
    quit: Callable[[int], None]


class WScript(HostObject):
    """The object WScript."""

    source = "WScript"

    def __init__(self, script: Path, args: Sequence[str], streams: Streams, host: Host, *, batch: bool) -> None:
        self._script = script
        self._arguments = Arguments(tuple(args))
        self._streams = streams
        self._host = host
        self._interactive = not batch
        self._stdin, self._stdout, self._stderr = streams.objects
        self._timeout = 0

    @offered("Name", prop=True, default=True)
    def name(self) -> str:
        """What the host is called."""
        return "Windows Script Host"

    @offered("Application", prop=True)
    def application(self) -> HostObject:
        """This object."""
        return self

    @offered("Version", prop=True)
    def version(self) -> str:
        """The version of Windows Script Host whose objects these are."""
        return _VERSION

    @offered("BuildVersion", prop=True)
    def build(self) -> int:
        """Its build."""
        return _BUILD

    @offered("Path", prop=True)
    def path(self) -> str:
        """The folder of the host, as the script engine's side sees it."""
        return "C:\\windows\\system32"

    @offered("FullName", prop=True)
    def full_name(self) -> str:
        """The host itself; scripts look at its end to see whether they run under cscript."""
        return "C:\\windows\\system32\\cscript.exe"

    @offered("ScriptName", prop=True)
    def script_name(self) -> str:
        """The script's file name."""
        return self._script.name

    @offered("ScriptFullName", prop=True)
    def script_full_name(self) -> str:
        """The script's path, as Windows programs reach it: Z: is the root folder."""
        return windows_path(self._script)

    @offered("Interactive", prop=True)
    def interactive(self) -> bool:
        """Whether somebody may be asked."""
        return self._interactive

    def put_interactive(self, value: Any) -> None:
        """Ask nobody from now on, or ask again."""
        self._interactive = bool(value)

    @offered("Timeout", prop=True)
    def timeout(self) -> int:
        """Seconds after which the script is to be ended; kept for the script, 0 for never."""
        return self._timeout

    @offered("Arguments", prop=True)
    def arguments(self) -> Arguments:
        """The script's arguments."""
        return self._arguments

    @offered("StdIn", prop=True)
    def stdin(self) -> HostObject:
        """Standard input."""
        return self._stdin

    @offered("StdOut", prop=True)
    def stdout(self) -> HostObject:
        """Standard output."""
        return self._stdout

    @offered("StdErr", prop=True)
    def stderr(self) -> HostObject:
        """Standard error."""
        return self._stderr

    @offered("Echo", text=True, null="null")
    def echo(self, *texts: Any) -> None:
        """Write the arguments to standard output, with blanks in between."""
        self._stdout.write(" ".join(map(as_text, texts)) + "\n")

    @offered("Sleep")
    def sleep(self, milliseconds: Any) -> None:
        """Wait; events reach the script meanwhile."""
        number = as_int(milliseconds)
        if number < 0:
            raise Failure(HRESULT.E_INVALIDARG, f"Sleep takes a number of milliseconds, not {number}")
        self._streams.stdout.flush()
        self._host.sleep(number / 1000)

    @offered("Quit")
    def quit(self, code: Any = 0) -> None:
        """End the script with an exit code."""
        self._host.quit(as_int(code))

    @offered("CreateObject")
    def create(self, progid: Any, prefix: Any = "") -> Any:
        """An object of a class; with a prefix, its events call the procedures whose names begin with it."""
        return self._host.create(str(progid), None, _text(prefix))

    @offered("GetObject")
    def get(self, path: Any, progid: Any = None, prefix: Any = "") -> Any:
        """An object that a file or a moniker stands for."""
        return self._host.get(_text(path), None if progid is None else str(progid), _text(prefix))

    @offered("ConnectObject")
    def connect(self, obj: Any, prefix: Any) -> None:
        """Let an object's events call the procedures whose names begin with the prefix."""
        self._host.connect(obj, _text(prefix))

    @offered("DisconnectObject")
    def disconnect(self, obj: Any) -> None:
        """Take no more events of an object."""
        self._host.disconnect(obj)


class Arguments(HostObject):
    """WScript.Arguments."""

    source = "WScript.Arguments"

    def __init__(self, args: tuple[str, ...]) -> None:
        self._args = args

    @offered("Item", prop=True, default=True)
    def item(self, index: Any) -> str:
        """The argument at an index from 0."""
        number = as_int(index)
        if not 0 <= number < len(self._args):
            raise Failure(HRESULT.DISP_E_BADINDEX, f"there is no argument {number}: {len(self._args)} were given")
        return self._args[number]

    @offered("Count", prop=True)
    def count(self) -> int:
        """How many there are."""
        return len(self._args)

    @offered("Length", prop=True)
    def length(self) -> int:
        """The same, for JScript."""
        return len(self._args)

    @offered("_NewEnum", prop=True, enumerates=True)
    def each(self) -> Iterator[str]:
        """What For Each asks for."""
        return iter(self._args)

    @offered("Named", prop=True)
    def named(self) -> Named:
        """Those of the form /name:value."""
        return Named(self._args)

    @offered("Unnamed", prop=True)
    def unnamed(self) -> Arguments:
        """The others."""
        return Arguments(tuple(argument for argument in self._args if not argument.startswith("/")))

    @offered("ShowUsage")
    def show_usage(self) -> None:
        """Show nothing: a script's usage stands in .wsf files, which are not run here."""


class Named(HostObject):
    """WScript.Arguments.Named: /name, /name:value, /name+ and /name-."""

    source = "WScript.Arguments"

    def __init__(self, args: tuple[str, ...]) -> None:
        self._values: dict[str, Any] = {}
        self._names: list[str] = []
        for argument in args:
            if not argument.startswith("/"):
                continue
            name, colon, value = argument[1:].partition(":")
            given: Any = value if colon else None
            if not colon and name.endswith(("+", "-")):
                name, given = name[:-1], name.endswith("+")
            if name.lower() not in self._values:
                self._names.append(name)
            self._values.setdefault(name.lower(), given)

    @offered("Item", prop=True, default=True)
    def item(self, name: Any) -> Any:
        """The value of a name in any case; Empty where it has none or is not given."""
        return self._values.get(_text(name).lower())

    @offered("Exists")
    def exists(self, name: Any) -> bool:
        """Whether the name is given."""
        return _text(name).lower() in self._values

    @offered("Count", prop=True)
    def count(self) -> int:
        """How many there are."""
        return len(self._names)

    @offered("Length", prop=True)
    def length(self) -> int:
        """The same, for JScript."""
        return len(self._names)

    @offered("_NewEnum", prop=True, enumerates=True)
    def each(self) -> Iterator[str]:
        """The names."""
        return iter(self._names)


def windows_path(path: Path) -> str:
    """A path of this machine as the script engine's side reaches it."""
    return "Z:" + str(path.resolve()).replace("/", "\\")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
