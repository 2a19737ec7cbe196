"""IVMSerialPort: one of the machine's serial ports, and IVMSerialPortCollection.

A machine of the products has two; one that the domain's definition does not have leads nowhere (Null), and is made
when it is configured.

Sources: the IVMSerialPort pages of both references; libvirt.org/formatdomain.html (serial port).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.constants import VMSerialPortType
from vpcshim.hypervisor.errors import Unknowable
from vpcshim.model import portnames
from vpcshim.model.base import MachineObject
from vpcshim.model.devices.collection import MachineCollection
from vpcshim.model.devices.port import PortObject

PORTS = 2  # that each machine of the products has
_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_TYPES = {
    "": VMSerialPortType.vmSerialPort_Null,
    "null": VMSerialPortType.vmSerialPort_Null,
    "dev": VMSerialPortType.vmSerialPort_HostPort,
    "pty": VMSerialPortType.vmSerialPort_HostPort,  # a terminal of the host as well
    "file": VMSerialPortType.vmSerialPort_TextFile,
    "pipe": VMSerialPortType.vmSerialPort_NamedPipe,
    "unix": VMSerialPortType.vmSerialPort_NamedPipe,  # what a named pipe of Windows is on Linux
}
_COM = re.compile(r"COM([1-9][0-9]?):?", re.IGNORECASE)
_TTY = re.compile(r"/dev/ttyS([0-9]+)")


class SerialPortObject(PortObject):
    """What both products' serial ports have in common."""

    _KIND = "serial"
    _LEAST = PORTS

    @method(
        vs=0x60020000,
        vpc=0x60020000,
        params=(VT.I4, VT.BSTR, VT.BOOL),
        fails=(HRESULT.E_INVALIDARG, HRESULT.VM_E_PREF_ILLEGAL_VALUE, *_UNKNOWN),
        vpc_fails=(
            HRESULT.E_OUTOFMEMORY,
            HRESULT.E_BUFFER_OVERFLOW,
            HRESULT.E_INVALID_NAME,
            HRESULT.E_BAD_PATHNAME,
        ),
    )
    def Configure(self, portType: int, portName: str, connectImmediately: bool) -> None:
        r"""Let the port of a machine that is off lead elsewhere.

        A host port is COM1 (/dev/ttyS0) or a device's path; a text file a path; a named pipe `\\.\pipe\NAME` or a
        path, which QEMU makes as a UNIX socket (`/var/lib/libvirt/qemu/pipe-NAME`). QEMU opens all of them when the
        machine starts, whatever connectImmediately says.
        """
        if portType not in set(VMSerialPortType):
            raise Failure(HRESULT.E_INVALIDARG, f"VMSerialPortType has no {portType}")
        backend, path = self._backend(VMSerialPortType(portType), portName.strip())
        self._configure(backend, path)

    @propget(vs=0x60020002, vpc=0x60020002, vt=VT.I4, fails=_UNKNOWN)
    def Type(self) -> VMSerialPortType:
        """Where the port leads (VMSerialPortType)."""
        return self._type()

    def _type(self) -> VMSerialPortType:
        port = self._port()
        found = _TYPES.get(port.type)
        if found is None:
            text = f"serial port {self._number + 1} leads to libvirt's type {port.type}"
            raise Unknowable(f"{text}, which VMSerialPortType has no value for")
        return found

    @propget(vs=0x60020003, vpc=0x60020003, vt=VT.BSTR, fails=_UNKNOWN)
    def Name(self) -> str:
        """What the port leads to, as Configure takes it; "" where that has no name."""
        port = self._port()
        tty = _TTY.fullmatch(port.path)
        if port.type == "dev" and tty is not None:
            return f"COM{int(tty[1]) + 1}"
        pipe = portnames.pipe_of(port.path) if port.type == "unix" else None
        if pipe is not None:
            return pipe
        return self._paths.to_script(port.path) if port.type == "file" and port.path else port.path

    @propget(vs=0x60020004, vpc=0x60020004, vt=VT.BOOL, fails=_UNKNOWN)
    def ConnectImmediately(self) -> bool:
        """Whether a host port is opened when the machine starts: QEMU does that; False for other types."""
        return self._type() is VMSerialPortType.vmSerialPort_HostPort

    def _backend(self, kind: VMSerialPortType, name: str) -> tuple[str, str]:
        """The type and path of libvirt's for what a script asks for."""
        if kind is VMSerialPortType.vmSerialPort_Null:
            return "null", ""
        if not name:
            raise Failure(HRESULT.E_INVALIDARG, "name what the port is to lead to")
        if kind is VMSerialPortType.vmSerialPort_TextFile:
            try:
                return "file", str(self._paths.to_host(name))
            except Failure as failure:
                refused = (HRESULT.VM_E_PREF_ILLEGAL_VALUE,)
                raise Failure(failure.code, failure.description, otherwise=refused) from failure
        if kind is VMSerialPortType.vmSerialPort_HostPort:
            com = _COM.fullmatch(name)
            path = name if com is None else f"/dev/ttyS{int(com[1]) - 1}"
            if not path.startswith("/dev/"):
                text = f"a host port is COM1 or a device as /dev/ttyUSB0, not {name!r}"
                raise Failure(HRESULT.VM_E_PREF_ILLEGAL_VALUE, text)
            return "dev", path
        socket = portnames.socket_of(name)
        if socket is None and not name.startswith("/"):
            text = rf"a named pipe is \\.\pipe\NAME or a socket's path, not {name!r}"
            raise Failure(HRESULT.VM_E_PREF_ILLEGAL_VALUE, text)
        return "unix", socket or name


class VirtualServerSerialPort(
    SerialPortObject, interface="IVMSerialPort", vs="{DCC026D3-DF80-4203-834E-E5F54939B181}"
):
    """A serial port of Virtual Server."""

    @propget(vs=0x60020001, vt=VT.I4)
    def _ID(self) -> int:
        """Which of the machine's serial ports it is, from 0."""
        return self._place()


class VirtualPCSerialPort(
    SerialPortObject, interface="IVMSerialPort", vpc="{2CE4460D-1D3F-4458-BF8B-44084B816815}"
):
    """A serial port of Windows Virtual PC."""

    @method(vpc=0x60020001, vt=VT.I4, fails=_UNKNOWN, reads=True)
    def _ID(self) -> int:
        """Which of the machine's serial ports it is, from 0."""
        return self._place()


class SerialPortCollection(
    MachineCollection[SerialPortObject],
    MachineObject,
    interface="IVMSerialPortCollection",
    vs="{D4D511A8-2C85-4933-A175-FC5BBA5B265B}",
    vpc="{DD3C6175-1F04-4341-9F85-104074880289}",
):
    """The machine's serial ports: two at least."""

    def _items_(self) -> Sequence[SerialPortObject]:
        kind = VirtualServerSerialPort if self._product_ in VirtualServerSerialPort._iids_ else VirtualPCSerialPort
        return [kind(self, number) for number in kind._numbers(self)]
