"""What the stand-in's modules work with: how applications are made, and what sees the calls."""

from __future__ import annotations

from collections.abc import Callable

from vpcshim.clients.calls import Calls
from vpcshim.com.errors import ComError, describe_code
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject

Factory = Callable[[str, str | None], ComObject]


class Session:
    """One installation of the stand-in.

    Attributes:
        calls: Runs the script's calls, under the eyes of its hooks.
    """

    def __init__(self, factory: Factory, calls: Calls) -> None:
        self.calls = calls
        self._factory = factory

    def create(self, progid: str, server: str | None) -> ComObject:
        """The application of that ProgID or CLSID, on the server that the script names, else on the default.

        Raises:
            ComError: CO_E_CLASSSTRING for any other class; pywin32 gives it no EXCEPINFO.
        """
        result = self.calls.create(self._factory, progid, server)
        if result.failure is None:
            made: ComObject = result.value.value
            return made
        if result.failure.code is HRESULT.CO_E_CLASSSTRING:
            raise ComError(int(HRESULT.CO_E_CLASSSTRING), f"Invalid class string: {result.failure.description}")
        raise ComError(int(result.failure.code), f"{describe_code(result.code)}: {result.failure.description}")


class NotInstalled(RuntimeError):
    """A module of the stand-in is used, but nothing was installed."""


_current: list[Session] = []


def current() -> Session:
    """The session of the installation that is in force.

    Raises:
        NotInstalled: There is none.
    """
    if not _current:
        raise NotInstalled("call vpcshim.install_pywin32() first, or run the script by `vpcshim run`")
    return _current[-1]


def begin(session: Session) -> None:
    """Put a session in force."""
    _current.append(session)


def end(session: Session) -> None:
    """Take it out of force."""
    _current.remove(session)
