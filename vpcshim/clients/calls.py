"""The one place through which every call of a script to one of our objects goes, whatever language it is in.

The script host and the pywin32 stand-in ask `Calls` to look up names and to run members; hooks see each call
before it runs, may answer in its stead (`--dry-run`), and see how it ended (`--trace`, `--strict`). Errors are
values here: `Result.failure`; only a hook may raise, to end the script.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from vpcshim.com.dispatch import DISPID_VALUE
from vpcshim.com.errors import ComError, Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Member, Product
from vpcshim.com.object import ComObject, find_member, typed_call, unknown_name
from vpcshim.com.variant import VT, Variant


class Omitted(Enum):
    """Arguments that are no value: `MISSING` was left out (`f(1, , 3)`), `EMPTY` is a variable never assigned."""

    MISSING = "missing"
    EMPTY = "empty"


MISSING: Final = Omitted.MISSING
EMPTY: Final = Omitted.EMPTY

# What VariantChangeType makes of VT_EMPTY.
_OF_EMPTY: dict[VT, Any] = {VT.BSTR: "", VT.BOOL: False, VT.DISPATCH: None, VT.VARIANT: None}


class Use(Enum):
    """What a script does with a member."""

    LOOKUP = "lookup"
    CREATE = "create"
    GET = "get"
    CALL = "call"
    PUT = "put"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a script.

    Attributes:
        use: What the script does.
        object: Whom it asks; None for `CREATE`.
        name: The member's documented name; for `LOOKUP` the unknown name asked for, for `CREATE` the ProgID.
        member: The declared member; None for `LOOKUP` and `CREATE`.
        args: The arguments as the member receives them, before they are converted to the declared types; for
            `CREATE` the server's name if there was one.
    """

    use: Use
    object: ComObject | None
    name: str
    member: Member | None = None
    args: tuple[Any, ...] = ()

    @property
    def interface(self) -> str:
        """The interface's name; "" for `CREATE`."""
        return "" if self.object is None else self.object._interface_


@dataclass(frozen=True, slots=True)
class Result:
    """How a call ended.

    Attributes:
        code: The member's own HRESULT (S_OK, S_FALSE, or a failure code).
        value: What it handed out, with its type; VT_EMPTY for none.
        failure: What went wrong, None for a success code. Its `__cause__` is the hypervisor's error, if any.
        seconds: How long the call took.
    """

    code: HRESULT
    value: Variant = field(default_factory=Variant)
    failure: Failure | None = None
    seconds: float = 0.0

    @property
    def libvirt_error(self) -> tuple[int, int, str] | None:
        """libvirt's (code, domain, message) where libvirt failed the call."""
        error: BaseException | None = self.failure
        for _ in range(16):
            if error is None:
                return None
            code, domain = getattr(error, "code", None), getattr(error, "domain", None)
            if isinstance(code, int) and isinstance(domain, int):
                return code, domain, str(error)
            error = error.__cause__
        return None


class Hook:
    """What sees every call; a subclass overrides what it needs."""

    def answer(self, call: Call) -> Result | None:
        """A result that takes the place of running the member; None to let it run. May raise to end the script."""
        return None

    def ended(self, call: Call, result: Result) -> None:
        """The call has ended. May raise to end the script."""


class Calls:
    """Looks up and runs members for a script, under the eyes of hooks."""

    def __init__(self, *hooks: Hook) -> None:
        self._hooks = hooks

    def create(self, factory: Callable[[str, str | None], ComObject], progid: str, server: str | None) -> Result:
        """Make an application object whose server answers; a ComError of the factory becomes the result's failure.

        As with COM, it is here that a script finds out that a server is not to be had, and not at the first member.
        """
        from vpcshim.model.application import Application

        def make() -> tuple[HRESULT, Variant]:
            try:
                made = factory(progid, server)
            except ComError as error:
                raise Failure(HRESULT(error.scode), error.description) from error
            if isinstance(made, Application):
                made.reach()
            return HRESULT.S_OK, Variant(VT.DISPATCH, made)

        args = () if server is None else (server,)
        return self._watched(Call(Use.CREATE, None, progid, None, args), make)

    def find(self, obj: ComObject, name: str) -> Member | None:
        """GetIDsOfNames: the member of that name, in any case; the hooks see a miss as a failed `LOOKUP`."""
        found = find_member(obj, name)
        if found is None:
            self.unknown(obj, name)
        return found

    def unknown(self, obj: ComObject, name: str) -> Result:
        """The result of asking for a name that the interface does not have: DISP_E_UNKNOWNNAME."""

        def fail() -> tuple[HRESULT, Variant]:
            raise unknown_name(obj, name)

        return self._watched(Call(Use.LOOKUP, obj, name), fail)

    def run(
        self,
        obj: ComObject,
        member: Member,
        use: Use,
        args: tuple[Any, ...] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Result:
        """IDispatch::Invoke: read, call or assign a member.

        An argument may be `MISSING` or `EMPTY`. Arguments given to a property that takes none go to the default
        member of the object it hands out, as `vs.VirtualMachines(1)`. What is assigned is the last of `args`.
        """
        if use is not Use.PUT and args and not member.params and member.kind == "property":
            inner = self.run(obj, member, Use.GET)
            target = inner.value.value
            if inner.failure is not None or not isinstance(target, ComObject):
                return inner if inner.failure is not None else self._run(obj, member, use, args)
            default = default_member(target)
            if default is not None:
                return self.run(target, default, Use.GET, args, named)
        try:
            args = arguments(member, args, named or {}) if use is not Use.PUT else assigned(member, args)
        except Failure as failure:
            # No hook is asked: what cannot be called as it stands is nothing to be pretended.
            return self._told(Call(use, obj, member.name, member, args), Result(failure.code, failure=failure))
        return self._run(obj, member, use, args)

    def _run(self, obj: ComObject, member: Member, use: Use, args: tuple[Any, ...]) -> Result:
        if use is not Use.PUT:
            return self._watched(Call(use, obj, member.name, member, args), lambda: typed_call(obj, member, args))

        def put() -> tuple[HRESULT, Variant]:
            member.put(obj, args[0])
            return HRESULT.S_OK, Variant()

        return self._watched(Call(use, obj, member.name, member, args), put)

    def _watched(self, call: Call, run: Callable[[], tuple[HRESULT, Variant]]) -> Result:
        for hook in self._hooks:
            answered = hook.answer(call)
            if answered is not None:
                return self._told(call, answered)
        began = time.perf_counter()
        try:
            code, value = run()
        except Failure as failure:
            seconds = time.perf_counter() - began
            return self._told(call, Result(failure.code, Variant(), failure, seconds))
        return self._told(call, Result(code, value, None, time.perf_counter() - began))

    def _told(self, call: Call, result: Result) -> Result:
        for hook in self._hooks:
            hook.ended(call, result)
        return result


def default_member(obj: ComObject) -> Member | None:
    """The member with DISPID 0."""
    return member_by_id(obj, DISPID_VALUE)


def member_by_id(obj: ComObject, dispid: int) -> Member | None:
    """The member with that DISPID in the object's product."""
    kind = (type(obj), obj._product_)
    found = _by_id.get(kind)
    if found is None:
        members = obj._names_.values()
        found = {item.dispids[obj._product_]: item for item in members if obj._product_ in item.dispids}
        _by_id[kind] = found
    return found.get(dispid)


# The members of each interface by their DISPIDs in each product.
_by_id: dict[tuple[type[ComObject], Product], dict[int, Member]] = {}


def arguments(member: Member, args: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments in the member's own order, with nothing omitted any more.

    Raises:
        Failure: DISP_E_PARAMNOTFOUND, DISP_E_PARAMNOTOPTIONAL or DISP_E_BADPARAMCOUNT.
    """
    if not args and not named:
        return args
    given = list(args)
    folded = {name.lower(): value for name, value in named.items()}
    for name in member.param_names[len(given) :]:
        given.append(folded.pop(name.lower(), MISSING))
    if folded:
        unknown = ", ".join(folded)
        raise Failure(HRESULT.DISP_E_PARAMNOTFOUND, f"{member.name} has no parameter {unknown} that is still open")
    while given and given[-1] is MISSING:
        given.pop()
    parameters = None
    for i, value in enumerate(given[: len(member.params)]):
        if value is EMPTY:
            given[i] = _OF_EMPTY.get(member.params[i], 0)
        elif value is MISSING:
            parameters = parameters or [*inspect.signature(member.getter).parameters.values()][1:]
            if parameters[i].default is inspect.Parameter.empty:
                text = f"{member.name} needs its argument {member.param_names[i]}"
                raise Failure(HRESULT.DISP_E_PARAMNOTOPTIONAL, text, argerr=i)
            given[i] = parameters[i].default
    return tuple(given)


def assigned(member: Member, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The one value of an assignment; raises Failure (DISP_E_BADPARAMCOUNT) for any other number."""
    if len(args) != 1:
        text = f"{member.name} is assigned one value, not {len(args)}"
        raise Failure(HRESULT.DISP_E_BADPARAMCOUNT, text)
    return (_OF_EMPTY.get(member.put_vt, 0),) if args[0] is EMPTY else args
