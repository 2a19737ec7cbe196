"""One run of a script: serves the host's requests until the script has ended, and asks the host in turn."""

from __future__ import annotations

import hmac
import itertools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vpcshim.clients.calls import Calls, Use, member_by_id
from vpcshim.clients.hooks.strict import Fatal
from vpcshim.clients.scripting import whole
from vpcshim.clients.scripting.channel import Channel, HostGone, NotGreeted
from vpcshim.clients.scripting.frames import (
    SECRET_SIZE,
    VERSION,
    BadFrame,
    Enumeration,
    Failed,
    Kind,
    Reader,
    Remote,
    Writer,
)
from vpcshim.clients.scripting.handles import Handles
from vpcshim.clients.scripting.language import JSCRIPT
from vpcshim.clients.scripting.objects import HostObject
from vpcshim.com.dispatch import DISPID_NEWENUM, no_member
from vpcshim.com.errors import ComError, Failure, com_error
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject, unknown_name
from vpcshim.com.variant import VT, Variant

_PUT = 4 | 8
_VISIBLE = 2  # SCRIPTITEM_ISVISIBLE
_READS = 0x80  # ENGINE_READS of wire.h
_MOST_ITEMS = 1 << 20
MAX_NESTING = 64
# Texts that the engine has, by number, as wire.h has them; those that a script executes come after these.
_OTHER, _SCRIPT, _PRELUDE = range(3)

# The place in a text as it was, of one in the text that the engine was given; lines and columns count from 1.
Place = Callable[[int, int], tuple[int, int]]


class Broken(BaseException):
    """An error in a procedure that an event called; the engine has reported it, and it ends the script."""


class Quit(BaseException):
    """The script called WScript.Quit; no `Exception`, since nothing on the way is to hold it up."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class ScriptError:
    """What the script engine says of the error that ended the script.

    Attributes:
        line: Of the script, from 1; 0 where the engine does not say.
        column: From 1.
        scode: The error's number.
        source: Who raised it.
        description: What the engine or the object says of it.
        text: The line of the script.
        failure: The failure of ours that the script ran into, where it was one.
        executed: The line and the column in a text that the script executed, where the error is in one.
    """

    line: int
    column: int
    scode: int
    source: str
    description: str
    text: str
    failure: Failure | None = None
    executed: tuple[int, int] | None = None

    @property
    def is_of_syntax(self) -> bool:
        """Whether the engine could not read the text."""
        return "compilation" in self.source


class Unhandled(ComError):
    """An error in what the engine ran at our request; the engine has told it, as if it had ended the script.

    Whoever asked may handle it, so it is the script's own error again, with the number and texts that it had.
    """

    def __init__(self, error: ScriptError) -> None:
        info = (0, error.source or _RUNTIME, error.description, None, 0, error.scode)
        super().__init__(HRESULT.DISP_E_EXCEPTION, None, info)
        self.error = error


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a script ended: its exit code where it chose one, the error where one ended it."""

    code: int | None = None
    error: ScriptError | None = None
    fatal: Fatal | None = None


class Session:
    """The server's side of one channel.

    Args:
        channel: The channel.
        secret: What the host has to greet with.
        calls: Runs the script's calls.
        engine: VBSCRIPT or JSCRIPT.
    """

    def __init__(self, channel: Channel, secret: bytes, calls: Calls, engine: int) -> None:
        self._channel = channel
        self._secret = secret
        self._calls = calls
        self._engine = engine
        self._text = ""
        self._executed: dict[int, Place] = {}
        self._numbers = itertools.count(_PRELUDE + 1)
        self._handles = Handles()
        self._dropped: list[int] = []
        self._error: ScriptError | None = None
        self._inner: ScriptError | None = None
        self._failure: Failure | None = None
        self._fatal: Fatal | None = None
        self._nesting = 0

    # -- the run -------------------------------------------------------------------------------------------

    def run(
        self, name: str, prelude: str, text: str, names: Mapping[str, HostObject], *, reads: bool = False
    ) -> Outcome:
        """Serve the host until its script has ended.

        Args:
            name: The script's name, for the engine.
            prelude: What the engine runs first.
            text: What the engine is given.
            names: The global names of the script.
            reads: Whether the engine is only to read the script, and to run none of it.

        Raises:
            NotGreeted: The host ended before it was given the script.
            HostGone: The host ended before its script did.
            BadFrame: It sent what is no frame.
        """
        try:
            kind, payload = self._channel.receive()
        except HostGone as error:
            raise NotGreeted(str(error)) from error
        if kind is not Kind.HELLO:
            raise BadFrame("the host does not greet")
        self._check_greeting(Reader(payload))
        self._text = text
        start = Writer(Kind.START, self._handles.hand)
        start.u8(self._engine | (_READS if reads else 0))
        start.text(name)
        start.text(prelude)
        start.text(whole.guarded(text) if self._engine == JSCRIPT else text)
        start.u16(len(names))
        for known, obj in names.items():
            start.text(known)
            start.u32(_VISIBLE)
            start.value(obj)
        self._send(start)
        try:
            while True:
                kind, payload = self._channel.receive()
                if kind is Kind.DONE:
                    return Outcome(None, self._error, self._fatal)
                self._serve(kind, payload)
        except Quit as ended:
            self._quit(ended.code)
            return Outcome(ended.code, None, self._fatal)
        except Broken:
            self._quit(1)
            return Outcome(None, self._error, self._fatal)
        except Fatal as fatal:
            self._quit(1)
            return Outcome(None, None, fatal)

    def _check_greeting(self, greeting: Reader) -> None:
        version, secret = greeting.u32(), greeting.raw(SECRET_SIZE)
        if not hmac.compare_digest(secret, self._secret):
            raise BadFrame("the host does not know this run's secret")
        if version != VERSION:
            raise BadFrame(f"the host speaks version {version} of the protocol, not {VERSION}: have it built again")

    def _quit(self, code: int) -> None:
        told = Writer(Kind.QUIT)
        told.u32(code & 0xFFFF_FFFF)
        self._send(told)

    # -- what the host asks --------------------------------------------------------------------------------

    def _serve(self, kind: Kind, payload: bytes) -> None:
        request = self._reader(payload)
        if kind is Kind.INVOKE:
            self._invoke(request)
        elif kind is Kind.NAMES:
            self._names(request)
        elif kind is Kind.RELEASE:
            for handle in request.handles():
                self._handles.release(handle)
        elif kind is Kind.ERROR:
            before, error = request.u8(), self._placed(request)
            if before and self._inner is not None:
                # Nobody on its way has handled it. Where it happened says more than who called.
                caller, error = error, self._inner
                if error.executed is not None and not error.line:
                    error = replace(error, line=caller.line, column=caller.column)
            self._error = error
        else:
            raise BadFrame(f"a host does not send {kind.name}")

    def _placed(self, request: Reader) -> ScriptError:
        """The error that the engine tells, and which text it is in."""
        number, line, column, scode = request.u32(), request.u32(), request.u32(), request.i32()
        texts = request.text(), request.text(), request.text()
        error = ScriptError(line, column, scode, *texts, self._failure)
        if number == _SCRIPT:
            return whole.placed(error, self._text) if self._engine == JSCRIPT else error
        if self._engine == JSCRIPT:
            executed = (line, column) if number == _OTHER else None
        else:
            executed = self._executed[number](line, column) if number in self._executed else None
        return replace(error, line=0, column=0, executed=executed)

    def _object(self, request: Reader) -> Any:
        return self._handles.get(request.u64())

    def _names(self, request: Reader) -> None:
        obj, name = self._object(request), request.text()
        self._not_after_fatal()
        self._failure = None
        dispid: int | None = None
        try:
            if isinstance(obj, ComObject):
                member = self._calls.find(obj, name)
                dispid = None if member is None else member.dispids[obj._product_]
                self._failure = unknown_name(obj, name) if member is None else None
            elif isinstance(obj, HostObject):
                dispid = obj.id_of(name)
        except Fatal as fatal:
            self._fatal = fatal
        answer = Writer(Kind.NAMED)
        answer.i32(HRESULT.S_OK if dispid is not None else HRESULT.DISP_E_UNKNOWNNAME)
        answer.i32(-1 if dispid is None else _signed(dispid))
        self._send(answer)

    def _invoke(self, request: Reader) -> None:
        code: int = HRESULT.S_OK
        obj = self._object(request)
        dispid, flags, args = request.i32(), request.u16(), request.values()
        self._not_after_fatal()
        self._failure = None
        if isinstance(obj, ComObject):
            code, value = self._call(obj, dispid, flags, args)
        elif isinstance(obj, HostObject):
            value = self._offered(obj, dispid, flags, args)
        else:
            value = Failed(HRESULT.DISP_E_EXCEPTION, HRESULT.E_HANDLE, "vpcshim", "no such object")
        answer = self._writer(Kind.RESULT)
        answer.result(value, code)
        self._send(answer)

    def _not_after_fatal(self) -> None:
        """Under --strict, a script that goes on after a failure (a `try` of JScript) is ended."""
        if self._fatal is not None:
            raise self._fatal

    def _call(self, obj: ComObject, dispid: int, flags: int, args: tuple[Any, ...]) -> tuple[int, Any]:
        member = member_by_id(obj, dispid)
        if member is None:
            return HRESULT.S_OK, self._failed(no_member(obj._interface_, dispid), obj._source_)
        use = Use.PUT if flags & _PUT else Use.GET if member.kind == "property" else Use.CALL
        try:
            result = self._calls.run(obj, member, use, args)
        except Fatal as fatal:
            self._fatal = fatal
            return HRESULT.S_OK, self._failed(fatal.failure, obj._source_)
        if result.failure is not None:
            return HRESULT.S_OK, self._failed(result.failure, obj._source_)
        value: Any = result.value
        if dispid == DISPID_NEWENUM:
            value = Enumeration(tuple(itertools.islice(iter(value.value), _MOST_ITEMS)))
        return result.code, value

    def _offered(self, obj: HostObject, dispid: int, flags: int, args: tuple[Any, ...]) -> Any:
        try:
            value = obj.invoke(dispid, flags, args)
        except Failure as failure:
            return self._failed(failure, obj.source)
        except ComError as error:
            return Failed(HRESULT.DISP_E_EXCEPTION, error.scode, _source_of(error, obj.source), error.description)
        except Fatal as fatal:
            self._fatal = fatal
            return self._failed(fatal.failure, obj.source)
        if dispid == DISPID_NEWENUM:
            return Enumeration(tuple(value))
        return Variant(VT.EMPTY) if value is None else value

    def _failed(self, failure: Failure, source: str) -> Failed:
        self._failure = failure
        error = com_error(failure, source)
        if self._engine == JSCRIPT and error.hresult in _JSCRIPT_ERRORS:
            # Wine's JScript has no texts for these; they are those of Microsoft's.
            number, text = _JSCRIPT_ERRORS[error.hresult]
            return Failed(HRESULT.DISP_E_EXCEPTION, number - (1 << 32), "Microsoft JScript runtime error", text)
        return Failed(error.hresult, error.scode, source, error.description)

    # -- what is asked of the host -------------------------------------------------------------------------

    def _reader(self, payload: bytes) -> Reader:
        return Reader(payload, self._handles.find, self._dropped.append)

    def _send(self, frame: Writer) -> None:
        """Send a frame, after it the host's objects that are held here no more; it reads that when it next asks."""
        data = frame.frame()
        if self._dropped:
            # Few enough that the pipe holds them: the host reads them only when it next waits for us.
            dropped = self._dropped[:_MOST_DROPPED]
            del self._dropped[:_MOST_DROPPED]
            for number in dropped:
                forget = Writer(Kind.FORGET)
                forget.u64(number)
                data += forget.frame()
        self._channel.send(data)

    def _writer(self, kind: Kind) -> Writer:
        return Writer(kind, self._handles.hand, doubles=self._engine == JSCRIPT)

    def _ask(self, request: Writer) -> Any:
        """Send a request, serve what comes until its answer does; raises ComError for a failure."""
        if self._nesting >= MAX_NESTING:
            raise Failure(HRESULT.E_OUTOFMEMORY, f"{MAX_NESTING} calls are nested in each other")
        self._nesting += 1
        try:
            self._send(request)
            while True:
                kind, payload = self._channel.receive()
                if kind is Kind.RESULT:
                    value = self._reader(payload).result()
                    break
                self._serve(kind, payload)
        finally:
            self._nesting -= 1
        if isinstance(value, Failed):
            if value.hresult == _REPORTED and self._error is not None:
                error, self._error = self._error, None
                # Of what it cannot read, whoever asked tells in words of its own.
                self._inner = None if error.is_of_syntax else error
                raise Unhandled(error)
            info = (0, value.source, value.description, None, 0, value.scode)
            raise ComError(value.hresult, value.description or None, info if value.scode else None)
        return value

    def call_script(self, name: str, args: tuple[Any, ...]) -> Any:
        """Call a procedure of the script.

        Raises:
            ComError: It failed; DISP_E_UNKNOWNNAME when there is none of that name.
        """
        request = self._writer(Kind.CALL)
        request.text(name)
        request.values(args)
        try:
            return self._ask(request)
        except ComError as error:
            # What Wine's VBScript answers before it runs any of the procedure, without a word to the site.
            if error.hresult != HRESULT.E_FAIL or self._engine == JSCRIPT:
                raise
            count = f"{len(args)} argument{'' if len(args) == 1 else 's'}"
            text = f"Wrong number of arguments: {name} is called with {count}"
            info = (0, _RUNTIME, text, None, 0, _WRONG_COUNT)
            raise ComError(HRESULT.DISP_E_EXCEPTION, None, info) from error

    def call_object(
        self, obj: Remote, name: str, args: tuple[Any, ...] = (), flags: int = 3, dispid: int = 0
    ) -> Any:
        """Call a member of an object of the host's process, or with the name "" the DISPID; raises ComError."""
        request = self._writer(Kind.LOCAL)
        request.u64(obj.id)
        request.i32(dispid)
        request.u16(flags)
        request.text(name)
        request.values(args)
        return self._ask(request)

    def create(self, progid: str) -> Any:
        """An object of a class that the host's side has; raises ComError."""
        return self._with_text(Kind.CREATE, progid)

    def get(self, moniker: str) -> Any:
        """An object by its moniker, where the host's side knows it; raises ComError."""
        return self._with_text(Kind.GET, moniker)

    def parse(self, text: str, *, expression: bool, place: Place | None = None) -> Any:
        """Let the engine take more text, in the script's global scope.

        Args:
            text: The text.
            expression: Whether it is one, whose value is wanted.
            place: Where a place of it stands in the text that the script executes; None where it is none.

        Raises:
            ComError: The engine cannot read it, or it failed.
        """
        number = _OTHER if place is None else next(self._numbers)
        if place is not None:
            self._executed[number] = place
        request = Writer(Kind.PARSE)
        request.u32(0x20 if expression else 0x2)
        request.u32(number)
        request.text(text)
        try:
            return self._ask(request)
        finally:
            if expression or not _PROCEDURE.search(text):  # nothing of it can fail later
                self._executed.pop(number, None)

    def _with_text(self, kind: Kind, text: str) -> Any:
        request = Writer(kind)
        request.text(text)
        return self._ask(request)

    def wait(self, seconds: float, pump: Callable[[float], int] | None) -> None:
        """Let time go by for a script that sleeps; `pump` lets events reach it for at most so many seconds.

        Raises:
            HostGone: The host ended meanwhile.
            Broken: An event's procedure failed.
        """
        end = time.monotonic() + seconds
        while True:
            left = max(0.0, end - time.monotonic())
            if self._channel.stirs(left if pump is None else 0):
                # The host is waiting for us: all that can be told now is that it has gone.
                self._channel.receive()
                raise BadFrame("the host speaks out of turn")
            if pump is not None:
                pump(min(left, _TICK))
            if left <= 0:
                return

    def event(self, name: str, args: tuple[Any, ...]) -> None:
        """Call the script's procedure for an event, where it has one; raises Broken when that fails."""
        try:
            self.call_script(name, args)
        except Unhandled as unhandled:
            self._error = unhandled.error
            raise Broken from unhandled
        except ComError as error:
            if error.hresult == HRESULT.DISP_E_UNKNOWNNAME:
                return
            self._error = ScriptError(0, 0, error.scode, _source_of(error, name), error.description, "")
            raise Broken from error


_RUNTIME = "Microsoft VBScript runtime error"
_TICK = 0.1
_PROCEDURE = re.compile(r"\b(?:function|sub|property)\b", re.IGNORECASE)
_REPORTED = 0x8002_0101 - (1 << 32)  # SCRIPT_E_REPORTED: what went wrong was told to the site
_MOST_DROPPED = 256
_WRONG_COUNT = 0x800A_01C2 - (1 << 32)  # error 450 of the script engines
_JSCRIPT_ERRORS: dict[int, tuple[int, str]] = {
    HRESULT.DISP_E_OVERFLOW: (0x800A_0006, "Overflow"),
    HRESULT.DISP_E_BADINDEX: (0x800A_0009, "Subscript out of range"),
    HRESULT.DISP_E_TYPEMISMATCH: (0x800A_000D, "Type mismatch"),
    HRESULT.DISP_E_MEMBERNOTFOUND: (0x800A_01B6, "Object doesn't support this property or method"),
    HRESULT.DISP_E_PARAMNOTOPTIONAL: (0x800A_01C1, "Argument not optional"),
    HRESULT.DISP_E_BADPARAMCOUNT: (0x800A_01C2, "Wrong number of arguments or invalid property assignment"),
}


def _signed(dispid: int) -> int:
    return dispid - 0x1_0000_0000 if dispid > 0x7FFF_FFFF else dispid


def _source_of(error: ComError, otherwise: str) -> str:
    return (error.excepinfo and error.excepinfo[1]) or otherwise
