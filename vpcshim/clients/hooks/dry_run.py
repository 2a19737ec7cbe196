"""`--dry-run`: what would change anything is answered as if it had been done, where that can be told."""

from __future__ import annotations

from vpcshim.clients.calls import Call, Hook, Result, Use
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Member
from vpcshim.com.variant import VT, Variant, coerce
from vpcshim.model.base import ModelObject
from vpcshim.model.pretend import pretended_task, returns_task


class DryRun(Hook):
    """Lets reads through; changes nothing.

    An assignment, and a method that hands out nothing, succeed; one that hands out a task hands out one that has
    ended well. What would hand out anything else fails with E_ABORT: nobody knows what it would have been. A call
    that could never be made (a member that is read-only, arguments of a wrong number or type) fails as it would.
    """

    def answer(self, call: Call) -> Result | None:
        """The answer in the stead of a call that changes something; None for one that reads."""
        member = call.member
        if member is None or not _changes(call.use, member):
            return None
        try:
            if call.use is Use.PUT:
                coerce(member.put_vt, call.args[0], 0)
                return Result(HRESULT.S_OK)
            member.taken(call.args)
        except Failure as failure:
            return Result(failure.code, failure=failure)
        if member.vt == VT.EMPTY:
            return Result(HRESULT.S_OK)
        if isinstance(call.object, ModelObject) and returns_task(member):
            task = pretended_task(call.object, f"{call.name} (dry run: nothing was done)")
            return Result(HRESULT.S_OK, Variant(VT.DISPATCH, task))
        text = f"dry run: {call.name} would change the server, and what it would hand out is not known"
        return Result(HRESULT.E_ABORT, failure=Failure(HRESULT.E_ABORT, text))


def _changes(use: Use, member: Member) -> bool:
    """Whether the call would get as far as changing something."""
    if member.unavailable is not None or member.kind == "event":
        return False
    return member.putter is not None if use is Use.PUT else use is Use.CALL and not member.reads
