"""What the stand-in's modules work with: how applications are made, and what sees the calls."""

from __future__ import annotations

from collections.abc import Callable

from vpcshim.clients.calls import Calls
from vpcshim.com.errors import ComError, text_of
from vpcshim.com.events import Connected
from vpcshim.com.member import Product
from vpcshim.com.object import ComObject

Factory = Callable[[str, str | None], ComObject]


class Session:
    """One installation of the stand-in.

    Attributes:
        calls: Runs the script's calls, under the eyes of its hooks.
        generated: The products whose objects are early-bound.
    """

    def __init__(self, factory: Factory, calls: Calls) -> None:
        self.calls = calls
        self.generated: set[Product] = set()
        self._factory = factory
        self._held: dict[int, Connected] = {}

    def create(self, progid: str, server: str | None) -> ComObject:
        """The application of that ProgID or CLSID, on the server that the script names, else on the default.

        Raises:
            ComError: CO_E_CLASSSTRING for any other class. What CoCreateInstance returns comes without EXCEPINFO.
        """
        result = self.calls.create(self._factory, progid, server)
        if result.failure is None:
            made: ComObject = result.value.value
            return made
        code = result.failure.code
        raise ComError(int(code), text_of(code), description=result.failure.description)

    def hold(self, sink: Connected) -> None:
        """Keep a connected handler, as COM keeps a sink: until it is closed, or the session ends."""
        # Nothing is looked at and written back: other threads connect handlers meanwhile.
        self._held[id(sink)] = sink
        for key, one in tuple(self._held.items()):
            if one._subscription_.closed:
                self._held.pop(key, None)

    def release(self) -> None:
        """Keep no handler any more."""
        self._held.clear()


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
    """Take it out of force; handlers that nobody else holds are disconnected."""
    _current.remove(session)
    session.release()
