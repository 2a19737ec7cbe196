"""The global names that a script is given: looked up before what its engine has by that name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vpcshim.clients.calls import Calls, Use, default_member
from vpcshim.clients.files.system import is_file_system
from vpcshim.clients.scripting import builtins
from vpcshim.clients.scripting.conversions import as_text
from vpcshim.clients.scripting.frames import Remote
from vpcshim.clients.scripting.language import HOLDER, VBSCRIPT, Prepared, Refused, prepare
from vpcshim.clients.scripting.objects import Function, Functions, HostObject
from vpcshim.clients.scripting.session import Quit, Session, Unhandled
from vpcshim.clients.scripting.streams import Streams
from vpcshim.clients.scripting.wscript import Host, WScript
from vpcshim.com.dispatch import DISPID_VALUE
from vpcshim.com.errors import ComError, Failure
from vpcshim.com.events import Fired, Subscription, pump_waiting
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject
from vpcshim.model.application import product_of
from vpcshim.model.events.connect import point_of

Factory = Callable[[str, str | None], ComObject]


class Script(Host):
    """What the script may ask of its host beyond the objects that it holds."""

    def __init__(
        self,
        session: Session,
        calls: Calls,
        factory: Factory,
        files: HostObject,
        own: frozenset[str] = frozenset(),
        *,
        strict: bool = False,
    ) -> None:
        self._session = session
        self._calls = calls
        self._factory = factory
        self._files = files
        self._own = own
        self._strict = strict
        self._subscriptions: list[tuple[ComObject, Subscription]] = []

    def create(self, progid: str, server: str | None = None, prefix: str = "") -> Any:
        """CreateObject: one of our applications, else an object of the host's side.

        Raises:
            Failure: There is no such class.
        """
        if progid.lower() == "wscript.network" and not server:
            made: Any = builtins.Network()
        elif is_file_system(progid) and not server:
            made = self._files
        elif product_of(progid) is None:
            if server:
                text = f"{progid} is no class of vpcshim, and objects of others are made on this machine alone"
                raise Failure(HRESULT.CO_E_CLASSSTRING, text)
            try:
                made = self._session.create(progid)
            except ComError as error:
                text = f"{progid} is neither served by vpcshim nor by Wine"
                raise Failure(HRESULT.CO_E_CLASSSTRING, text) from error
        else:
            result = self._calls.create(self._factory, progid, server or None)
            if result.failure is not None:
                raise result.failure
            made = result.value.value
        if prefix:
            self.connect(made, prefix)
        return made

    def get(self, path: str, progid: str | None = None, prefix: str = "") -> Any:
        """GetObject: `GetObject("", "VirtualServer.Application")`, else a moniker of the host's side.

        Raises:
            Failure: There is no such object.
        """
        if not path and progid:
            return self.create(progid, None, prefix)
        try:
            return self._session.get(path)
        except ComError as error:
            raise Failure(HRESULT.E_FILE_NOT_FOUND, f'there is no object "{path}" here') from error

    def connect(self, obj: Any, prefix: str) -> None:
        """ConnectObject: events of an object call the script's procedures, while it sleeps.

        Raises:
            ComError: It has no events, or they cannot be had now.
            Failure: It is none of our objects.
        """
        if not isinstance(obj, ComObject):
            raise Failure(HRESULT.DISP_E_UNKNOWNINTERFACE, "events of objects that are not vpcshim's do not pass")

        def deliver(fired: Fired) -> None:
            self._session.event(prefix + fired.name, fired.args)

        subscription = Subscription(deliver, f"{prefix}* on {obj._interface_}", pump=True)
        subscription.connect(point_of(obj).advise)
        self._subscriptions.append((obj, subscription))

    def disconnect(self, obj: Any) -> None:
        """DisconnectObject: no events of that object any more."""
        for entry in [entry for entry in self._subscriptions if entry[0] is obj]:
            entry[1].close()
            self._subscriptions.remove(entry)

    def close(self) -> None:
        """The script has ended: no events any more."""
        for _, subscription in self._subscriptions:
            subscription.close()
        self._subscriptions.clear()

    def sleep(self, seconds: float) -> None:
        """WScript.Sleep."""
        self._session.wait(seconds, pump_waiting if self._subscriptions else None)

    def quit(self, code: int) -> None:
        """WScript.Quit."""
        raise Quit(code)

    def names(
        self, script: Path, args: tuple[str, ...], streams: Streams, *, batch: bool
    ) -> Mapping[str, HostObject]:
        """The objects that this script finds by name."""
        wscript = WScript(script, args, streams, self, batch=batch)
        known = {**self.functions(), **builtins.functions(streams, batch=batch), **_HELPERS}
        functions = Functions(known, {"vpcshim_At": self._put_at})
        return {"WScript": wscript, "WSH": wscript, HOLDER: functions}

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The functions that take the place of the engine's own because they reach this process."""

        def create(progid: Any, server: Any = None) -> Any:
            try:
                return self.create(_name(progid) or "", _name(server))
            except Failure as failure:
                if failure.code is not HRESULT.CO_E_CLASSSTRING:
                    raise
                # The number that scripts look for: an engine's own CreateObject answers with it.
                info = (0, "CreateObject", failure.description, None, 0, _CANNOT_CREATE)
                raise ComError(HRESULT.DISP_E_EXCEPTION, None, info) from failure

        return {
            "CreateObject": create,
            "ActiveXObject": create,
            "GetObject": lambda path="", progid=None: self.get(_name(path) or "", _name(progid)),
            "GetRef": self._reference,
            "Eval": self._evaluate,
            "Execute": self._execute,
            "ExecuteGlobal": self._execute,
            "vpcshim_At": self._at,
        }

    def _at(self, value: Any, *index: Any) -> Any:
        """The element of an array, or what the default member of an object gives."""
        if isinstance(value, tuple):
            return builtins.element(value, index)
        return self._default(value, Use.GET, _GET, index)

    def _put_at(self, flags: int, value: Any, *index_and_new: Any) -> None:
        """Assign to the default member of an object; of an array there is only a copy here."""
        if isinstance(value, tuple):
            text = "Wine's engine has no index behind that of an array: assign the inner array to a variable first"
            raise Failure(HRESULT.DISP_E_TYPEMISMATCH, text)
        self._default(value, Use.PUT, flags, index_and_new)

    def _default(self, value: Any, use: Use, flags: int, args: tuple[Any, ...]) -> Any:
        """Use the default member of an object."""
        if isinstance(value, ComObject) and (member := default_member(value)) is not None:
            result = self._calls.run(value, member, use, args)
            if result.failure is not None:
                raise result.failure
            return result.value
        if isinstance(value, Remote):
            return self._session.call_object(value, "", args, flags | _METHOD if use is Use.GET else flags)
        if isinstance(value, HostObject):
            return value.invoke(DISPID_VALUE, flags, args)
        raise Failure(HRESULT.DISP_E_TYPEMISMATCH, "what the call gives is neither an array nor an object")

    def _reference(self, name: Any) -> HostObject:
        return Function(lambda *args: self._session.call_script(str(name), args))

    def _evaluate(self, text: Any) -> Any:
        return self._parse(f"({as_text(text)})", expression=True)

    def _execute(self, text: Any) -> None:
        self._parse(as_text(text), expression=False)

    def _parse(self, text: str, *, expression: bool) -> Any:
        prepared = self._prepared(text)

        def place(line: int, column: int) -> tuple[int, int]:
            line, column = prepared.place(line, column)
            # An expression stands in brackets that are not the script's.
            return line, max(1, column - 1) if expression and line == 1 else column

        try:
            return self._session.parse(prepared.text, expression=expression, place=place)
        except Unhandled as unhandled:
            if unhandled.error.is_of_syntax:
                where = f"the text to execute {unhandled.error.executed}"
                raise _wrong_syntax(f"{where}: syntax that the engine does not know") from unhandled
            raise

    def _prepared(self, text: str) -> Prepared:
        """What a script has the engine run, prepared as the script is; raises ComError where that is refused."""
        try:
            prepared = prepare(VBSCRIPT, text, FUNCTIONS, strict=self._strict, known=self._own)
        except Refused as error:
            raise _wrong_syntax(f"the text to execute {error}") from error
        self._own |= prepared.own
        if prepared.prelude:
            self._session.parse(prepared.prelude, expression=False)
        return prepared


# Error 429 of the script engines: "ActiveX component can't create object".
_CANNOT_CREATE = 0x800A_01AD - (1 << 32)
_METHOD, _GET = 1, 2
# Error 1002 of the script engines.
_SYNTAX_ERROR = 0x800A_03EA - (1 << 32)
_HELPERS: dict[str, Callable[..., Any]] = {
    "vpcshim_TypeName": builtins.type_name,
    "vpcshim_KindName": builtins.kind_name,
    "vpcshim_Number": builtins.error_number,
    "vpcshim_Description": builtins.error_description,
}


# What scripts may use by name that is not, or not rightly, in Wine's engine.
FUNCTIONS = (
    *("CreateObject", "GetObject", "GetRef", "Eval", "Execute", "ExecuteGlobal"),
    *("Join", "Filter", "Split", "String", "Round", "AscW", "ChrW"),
    *("LenB", "LeftB", "RightB", "MidB", "InStrB", "AscB"),
    *("DateAdd", "DateDiff", "DatePart", "DateValue", "TimeValue"),
    *("FormatNumber", "FormatPercent", "FormatCurrency"),
    *("Escape", "Unescape", "GetLocale", "SetLocale", "MsgBox", "InputBox"),
)


def _wrong_syntax(text: str) -> ComError:
    return ComError(HRESULT.DISP_E_EXCEPTION, None, (0, "vpcshim", text, None, 0, _SYNTAX_ERROR))


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None
