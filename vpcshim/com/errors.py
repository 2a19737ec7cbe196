"""How a COM call fails: `Failure` inside a member, `ComError` at a late-bound caller."""

from __future__ import annotations

from vpcshim.com.hresult import HRESULT

ExcepInfo = tuple[int, str | None, str | None, str | None, int, int]

# FormatMessage's texts for the codes that Invoke and CoCreateInstance return; others are given by their name.
_TEXTS = {
    HRESULT.DISP_E_EXCEPTION: "Exception occurred.",
    HRESULT.DISP_E_UNKNOWNNAME: "Unknown name.",
    HRESULT.DISP_E_UNKNOWNINTERFACE: "Unknown interface.",
    HRESULT.DISP_E_MEMBERNOTFOUND: "Member not found.",
    HRESULT.DISP_E_PARAMNOTFOUND: "Parameter not found.",
    HRESULT.DISP_E_NONAMEDARGS: "No named arguments.",
    HRESULT.DISP_E_BADVARTYPE: "Bad variable type.",
    HRESULT.DISP_E_BADPARAMCOUNT: "Invalid number of parameters.",
    HRESULT.DISP_E_PARAMNOTOPTIONAL: "Parameter not optional.",
    HRESULT.DISP_E_TYPEMISMATCH: "Type mismatch.",
    HRESULT.DISP_E_OVERFLOW: "Out of present range.",
    HRESULT.DISP_E_BADINDEX: "Invalid index.",
    HRESULT.CO_E_CLASSSTRING: "Invalid class string",
    HRESULT.E_INVALIDARG: "The parameter is incorrect.",
    HRESULT.E_ACCESSDENIED: "Access is denied.",
    HRESULT.RPC_S_SERVER_UNAVAILABLE: "The RPC server is unavailable.",
}
_DISPATCH_CODES = frozenset(code for code in HRESULT if code.name.startswith("DISP_E_"))


class Failure(Exception):
    """A member's failure: its own HRESULT, and a description that names the thing and the way out.

    Members raise it; the call machinery turns it into a returned HRESULT (vtable-style) or a `ComError`
    (late-bound). It does not reach a script.
    """

    def __init__(
        self,
        code: HRESULT,
        description: str,
        *,
        otherwise: tuple[HRESULT, ...] = (),
        argerr: int | None = None,
    ) -> None:
        """Fail with `code`, or the first of `otherwise` that the member's page lists."""
        super().__init__(f"{code.name} ({code.hex}): {description}")
        self.code = code
        self.description = description
        self.otherwise = otherwise
        self.argerr = argerr

    def under(self, code: HRESULT) -> Failure:
        """The same failure with another code."""
        return Failure(code, self.description, argerr=self.argerr)


class ComError(Exception):
    """A COM call failed; the four fields are those of pywin32's `com_error`, and so is `args`.

    Attributes:
        hresult: What IDispatch::Invoke returned, signed: DISP_E_EXCEPTION for an error from inside a member,
            the DISP_E_ code itself for a wrong name, type, count or index.
        strerror: The system's text for it.
        excepinfo: (wcode, source, description, helpfile, helpcontext, scode); scode is the member's own code.
        argerr: The index of the argument that is wrong, or None.
    """

    def __init__(
        self,
        hresult: int,
        strerror: str | None = None,
        excepinfo: ExcepInfo | None = None,
        argerr: int | None = None,
        *,
        description: str | None = None,
    ) -> None:
        """Make one of its fields; `description` is what went wrong in words where no EXCEPINFO says it."""
        self.hresult = hresult
        self.strerror = strerror
        self.excepinfo = excepinfo
        self.argerr = argerr
        self._description = description
        super().__init__(hresult, strerror, excepinfo, argerr)

    @property
    def argerror(self) -> int | None:
        """`argerr` by the name that pywin32 documents."""
        return self.argerr

    @property
    def scode(self) -> int:
        """The member's own HRESULT where there is one, else `hresult`."""
        return self.excepinfo[5] if self.excepinfo and self.excepinfo[5] else self.hresult

    @property
    def description(self) -> str:
        """What went wrong in words."""
        return (self.excepinfo and self.excepinfo[2]) or self._description or self.strerror or ""

    def __str__(self) -> str:
        return f"{describe_code(self.scode)}: {self.description}"


class UnknownNameError(ComError, AttributeError):
    """DISP_E_UNKNOWNNAME; an AttributeError too, so that `hasattr` and `getattr` with a default work."""


def describe_code(code: int) -> str:
    """`DISP_E_EXCEPTION (0x80020009)`, or the eight hex digits alone for a code without a name here."""
    try:
        known = HRESULT(code)
    except ValueError:
        return f"0x{code & 0xFFFF_FFFF:08X}"
    return f"{known.name} ({known.hex})"


def text_of(code: HRESULT) -> str:
    """What FormatMessage says of a code, where it is known here; else its name."""
    return _TEXTS.get(code, code.name)


def com_error(failure: Failure, source: str) -> ComError:
    """The `ComError` of a late-bound caller for a member's failure, as IDispatch::Invoke reports it."""
    direct = failure.code in _DISPATCH_CODES
    hresult = failure.code if direct else HRESULT.DISP_E_EXCEPTION
    kind = UnknownNameError if failure.code is HRESULT.DISP_E_UNKNOWNNAME else ComError
    excepinfo: ExcepInfo = (0, source, failure.description, None, 0, int(failure.code))
    return kind(int(hresult), text_of(hresult), excepinfo, failure.argerr)
