"""The machine's serial and parallel ports."""

from __future__ import annotations

from vpcshim.com.declare import propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.devices.parallel_port import ParallelPortCollection
from vpcshim.model.devices.serial_port import SerialPortCollection
from vpcshim.model.machine.state import Stateful

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)


class Ports(Stateful):
    """SerialPorts, ParallelPorts."""

    @propget(vs=0x60020032, vpc=0x6002002F, vt=VT.DISPATCH, fails=_UNKNOWN)
    def SerialPorts(self) -> SerialPortCollection:
        """The machine's serial ports."""
        with self._domain():
            return SerialPortCollection(self._product_, self._server, self._options, self._uuid)

    @propget(vs=0x60020036, vpc=0x60020030, vt=VT.DISPATCH, fails=_UNKNOWN)
    def ParallelPorts(self) -> ParallelPortCollection:
        """The machine's parallel ports."""
        with self._domain():
            return ParallelPortCollection(self._product_, self._server, self._options, self._uuid)
