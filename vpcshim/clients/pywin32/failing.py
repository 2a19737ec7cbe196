"""How a member's failure is raised in a script: as pywin32 makes it of what IDispatch::Invoke tells."""

from __future__ import annotations

from vpcshim.com.errors import ComError, Failure, com_error
from vpcshim.com.hresult import HRESULT

# Only these say which argument is wrong.
_OF_AN_ARGUMENT = frozenset((HRESULT.DISP_E_TYPEMISMATCH, HRESULT.DISP_E_PARAMNOTFOUND))


def as_com_error(failure: Failure, source: str) -> ComError:
    """The com_error of a failure: with an EXCEPINFO for what went wrong inside a member, else with none.

    `argerr` counts the arguments from 1, as pywin32 does.
    """
    told = com_error(failure, source)
    excepinfo = told.excepinfo if told.hresult == HRESULT.DISP_E_EXCEPTION else None
    argerr = None if failure.argerr is None or failure.code not in _OF_AN_ARGUMENT else failure.argerr + 1
    error = ComError(told.hresult, told.strerror, excepinfo, argerr, description=failure.description)
    error.__cause__ = failure.__cause__
    return error
