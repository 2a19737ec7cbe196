"""What a machine's serial and parallel ports have in common: each is known by its number among its kind, from 0."""

from __future__ import annotations

from vpcshim.hypervisor import ports
from vpcshim.hypervisor.errors import Unknowable
from vpcshim.hypervisor.ports import Kind, Port
from vpcshim.model.base import MachineObject
from vpcshim.model.devices.base import DeviceObject


class PortObject(DeviceObject):
    """A port of a machine; one that the definition does not have leads nowhere."""

    _KIND: Kind
    _LEAST: int  # how many ports of the kind each machine of the products has

    @property
    def _number(self) -> int:
        return int(self._device)

    def _place(self) -> int:
        """The port's number; fails when the machine is gone."""
        with self._domain():
            return self._number

    def _port(self) -> Port:
        with self._domain() as domain:
            found = ports.ports(domain, self._KIND, self._LEAST)
        if self._number >= len(found):
            raise Unknowable(f"{self._KIND} port {self._number + 1} is not there any more")
        return found[self._number]

    def _configure(self, backend: str, path: str) -> None:
        """Let the port of a machine that is off lead elsewhere."""
        with self._turned_off(f"another {self._KIND} port") as (domain, _):
            ports.configure(domain, self._KIND, self._number, backend, path)

    @classmethod
    def _numbers(cls, machine: MachineObject) -> list[str]:
        """The numbers of the machine's ports of this kind."""
        with machine._domain() as domain:
            return [str(port.number) for port in ports.ports(domain, cls._KIND, cls._LEAST)]
