"""Which methods are said to change nothing: a dry run lets these through, and no other."""

from __future__ import annotations

import pytest

from vpcshim.com.member import Member
from vpcshim.model.catalogue import interfaces

_READS = ("Get", "Find", "Fetch", "Is", "Query", "_ID", "WaitForCompletion")
METHODS = {
    f"{kind._interface_}.{member.name}": member
    for kind in interfaces()
    for member in kind._names_.values()
    if member.kind == "method" and member.unavailable is None
}


@pytest.mark.parametrize("member", METHODS.values(), ids=METHODS.keys())
def test_a_method_reads_where_its_name_says_so(member: Member) -> None:
    assert member.reads == member.name.startswith(_READS)
