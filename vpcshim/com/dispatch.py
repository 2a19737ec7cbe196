"""IDispatch over declared interfaces: names to DISPIDs, and `Invoke` by DISPID."""

from __future__ import annotations

from enum import IntFlag
from typing import Any

from vpcshim.com.errors import Failure, com_error
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject, find_member, late_call, late_put, unknown_name

DISPID_VALUE = 0
DISPID_NEWENUM = -4


class DispatchFlags(IntFlag):
    """wFlags of IDispatch::Invoke."""

    METHOD = 1
    PROPERTYGET = 2
    PROPERTYPUT = 4
    PROPERTYPUTREF = 8


def get_id_of_name(obj: ComObject, name: str) -> int:
    """IDispatch::GetIDsOfNames for one name, in any case.

    Raises:
        ComError: DISP_E_UNKNOWNNAME.
    """
    found = find_member(obj, name)
    if found is None:
        raise com_error(unknown_name(obj, name), obj._source_)
    return found.dispids[obj._product_]


def no_member(interface: str, dispid: int) -> Failure:
    """The failure of using a DISPID that the interface does not have, in words that the script's author needs."""
    if dispid == DISPID_VALUE:
        way_out = "name the member that is meant; to assign the object itself, VBScript needs Set"
        why = f"{interface} has no default member: {way_out}"
    elif dispid == DISPID_NEWENUM:
        why = f"{interface} is no collection: For Each has nothing to go through"
    else:
        why = f"{interface} has no DISPID {dispid:#x}"
    return Failure(HRESULT.DISP_E_MEMBERNOTFOUND, why)


def invoke(obj: ComObject, dispid: int, flags: DispatchFlags, args: tuple[Any, ...] = ()) -> Any:
    """IDispatch::Invoke: call, read or assign the member with that DISPID.

    Raises:
        ComError: DISP_E_MEMBERNOTFOUND for a DISPID or a use that the interface does not have, and whatever
            the member itself answers.
    """
    dispid = dispid - 0x1_0000_0000 if dispid > 0x7FFF_FFFF else dispid
    found = next((item for item in obj._names_.values() if item.dispids.get(obj._product_) == dispid), None)
    if found is None:
        raise com_error(no_member(obj._interface_, dispid), obj._source_)
    if flags & (DispatchFlags.PROPERTYPUT | DispatchFlags.PROPERTYPUTREF):
        if len(args) != 1:
            failure = Failure(HRESULT.DISP_E_BADPARAMCOUNT, f"{found.name} is assigned one value, not {len(args)}")
            raise com_error(failure, obj._source_)
        return late_put(obj, found, args[0])
    wanted = DispatchFlags.PROPERTYGET if found.kind == "property" else DispatchFlags.METHOD
    if not flags & wanted:
        failure = Failure(HRESULT.DISP_E_MEMBERNOTFOUND, f"{found.name} is a {found.kind}")
        raise com_error(failure, obj._source_)
    return late_call(obj, found, args)
