"""Whether a script ended because its server could not be reached: there is a command that helps then."""

from __future__ import annotations

from vpcshim.clients.calls import Call, Hook, Result, Use
from vpcshim.com.hresult import HRESULT

_CODES = frozenset((HRESULT.RPC_S_SERVER_UNAVAILABLE, HRESULT.E_ACCESSDENIED))


class Unreached(Hook):
    """Knows whether the last call was for an application whose server did not let us in.

    Attributes:
        last: Whether it was.
    """

    def __init__(self) -> None:
        self.last = False

    def ended(self, call: Call, result: Result) -> None:
        """Note it."""
        self.last = call.use is Use.CREATE and result.code in _CODES
