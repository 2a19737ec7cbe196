"""How a member's failure is raised in a script of comtypes."""

from __future__ import annotations

from typing import Any

from vpcshim.com.errors import ComError, Failure, text_of


class COMError(ComError):
    """A call failed, as comtypes tells it: under the member's own HRESULT.

    Attributes:
        hresult: The code.
        text: The system's text for it.
        details: (description, source, helpfile, helpcontext, progid).
    """

    def __init__(self, hresult: int, text: str | None = None, details: Any = None) -> None:
        super().__init__(hresult, text, description=details and details[0])
        self.text = text
        self.details = details
        self.args = (hresult, text, details)


def as_comtypes_error(failure: Failure, source: str) -> COMError:
    """The COMError of a failure."""
    details = (failure.description, source, None, 0, None)
    error = COMError(int(failure.code), text_of(failure.code), details)
    error.__cause__ = failure.__cause__
    return error


class NotCreated(COMError, OSError):
    """No object could be made: to comtypes that is an OSError; its `winerror` is the HRESULT."""

    def __init__(self, hresult: int, text: str | None, description: str) -> None:
        super().__init__(hresult, text, (description, None, None, 0, None))
        self.winerror = hresult
