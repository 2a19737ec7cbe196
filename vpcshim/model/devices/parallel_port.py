"""IVMParallelPort: the machine's parallel port, and IVMParallelPortCollection.

A machine of the products has one; one that the domain's definition does not have leads nowhere.

Sources: the IVMParallelPort pages of both references; libvirt.org/formatdomain.html (parallel port).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.base import MachineObject
from vpcshim.model.devices.collection import MachineCollection
from vpcshim.model.devices.port import PortObject

PORTS = 1  # that each machine of the products has
_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_LPT = re.compile(r"LPT([1-9]):?", re.IGNORECASE)
_PARPORT = re.compile(r"/dev/parport([0-9])")


class ParallelPortObject(PortObject):
    """What both products' parallel ports have in common."""

    _KIND = "parallel"
    _LEAST = PORTS

    @propget(vs=0x60020001, vpc=0x60020001, vt=VT.BSTR, fails=(HRESULT.E_INVALIDARG, *_UNKNOWN))
    def Name(self) -> str:
        """The host's port that it is connected to: LPT1 (/dev/parport0), or a device's path; "" for none.

        It is set in the definition of a machine that is off.
        """
        path = self._port().path
        parport = _PARPORT.fullmatch(path)
        return path if parport is None else f"LPT{int(parport[1]) + 1}"

    @Name.write
    def _put_Name(self, name: str) -> None:
        lpt = _LPT.fullmatch(name.strip())
        path = name.strip() if lpt is None else f"/dev/parport{int(lpt[1]) - 1}"
        if path and not path.startswith("/dev/"):
            text = f'a parallel port is LPT1, a device as /dev/parport0, or "" for none, not {name!r}'
            raise Failure(HRESULT.E_INVALIDARG, text)
        self._configure("dev" if path else "", path)


class VirtualServerParallelPort(
    ParallelPortObject, interface="IVMParallelPort", vs="{D8041A88-9EED-40FF-895C-EB914EB3FD3B}"
):
    """A parallel port of Virtual Server."""

    @propget(vs=0x60020000, vt=VT.I4)
    def _ID(self) -> int:
        """Which of the machine's parallel ports it is, from 0."""
        return self._place()


class VirtualPCParallelPort(
    ParallelPortObject, interface="IVMParallelPort", vpc="{097BEECB-0A02-474F-ABD6-298B22293FC6}"
):
    """A parallel port of Windows Virtual PC."""

    @method(vpc=0x60020000, vt=VT.I4, fails=_UNKNOWN, reads=True)
    def _ID(self) -> int:
        """Which of the machine's parallel ports it is, from 0."""
        return self._place()


class ParallelPortCollection(
    MachineCollection[ParallelPortObject],
    MachineObject,
    interface="IVMParallelPortCollection",
    vs="{DD0B7436-9AA2-46E1-867F-E99A62FE459F}",
    vpc="{27C3E036-198F-430C-8735-6E652F7203FD}",
):
    """The machine's parallel ports: one at least."""

    @propget(vs=0x60020000, vpc=0x60020000, vt=VT.I4, vs_fails=_UNKNOWN)
    def Count(self) -> int:
        """How many parallel ports there are."""
        return len(self._items_())

    def _items_(self) -> Sequence[ParallelPortObject]:
        first = VirtualServerParallelPort
        kind = first if self._product_ in first._iids_ else VirtualPCParallelPort
        return [kind(self, number) for number in kind._numbers(self)]
