"""The machine's serial and parallel ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpcshim.com.declare import propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.machine.state import Stateful

if TYPE_CHECKING:
    from vpcshim.model.devices.parallel_port import ParallelPortCollection
    from vpcshim.model.devices.serial_port import SerialPortCollection

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)


class Ports(Stateful):
    """SerialPorts, ParallelPorts."""

    @propget(vs=0x60020032, vpc=0x6002002F, vt=VT.DISPATCH, fails=_UNKNOWN)
    def SerialPorts(self) -> SerialPortCollection:
        """The machine's serial ports."""
        from vpcshim.model.devices.serial_port import SerialPortCollection

        with self._domain():
            return SerialPortCollection(self._product_, self._server, self._options, self._uuid)

    @propget(vs=0x60020036, vpc=0x60020030, vt=VT.DISPATCH, fails=_UNKNOWN)
    def ParallelPorts(self) -> ParallelPortCollection:
        """The machine's parallel ports."""
        from vpcshim.model.devices.parallel_port import ParallelPortCollection

        with self._domain():
            return ParallelPortCollection(self._product_, self._server, self._options, self._uuid)
