"""The machine's memory and processor.

Sources: the IVMVirtualMachine pages of both products' references; libvirt.org/formatdomain.html, virNodeGetInfo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import libvirt

from vpcshim.com.declare import propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.limits import MINIMUM_MEMORY, host_of
from vpcshim.model.machine.state import Stateful

if TYPE_CHECKING:
    from vpcshim.hypervisor.hostfacts import HostFacts

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)


class Hardware(Stateful):
    """Memory, ProcessorSpeed, HasMMX, HasSSE, HasSSE2, Has3DNow."""

    @propget(
        vs=0x60020041,
        vpc=0x6002003B,
        vt=VT.I4,
        fails=(HRESULT.E_INVALIDARG, *_UNKNOWN),
        vpc_fails=(HRESULT.VM_E_PREF_VM_ACTIVE,),
    )
    def Memory(self) -> int:
        """The machine's memory, in MB, as its definition has it; the value `hardware/memory/ram_size` is the same.

        It is set while the machine is off, to what MinimumMemoryPerVM and MaximumMemoryPerVM allow (E_INVALIDARG).
        """
        from vpcshim.hypervisor import hardware

        with self._domain() as domain:
            return hardware.read(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)).memory

    @Memory.write
    def _put_Memory(self, megabytes: int) -> None:
        from vpcshim.hypervisor import hardware
        from vpcshim.hypervisor.redefine import redefine
        from vpcshim.model.configuration import table

        with self._turned_off("changing its memory") as (domain, name):
            most = self._host(domain).memory()
            if not MINIMUM_MEMORY <= megabytes <= most:
                text = f"{name} can have {MINIMUM_MEMORY} to {most} MB of memory (the host's), not {megabytes}"
                raise Failure(HRESULT.E_INVALIDARG, text)
            redefine(domain, lambda root: hardware.set_memory(root, megabytes))
        self._server.configuration_changed(self._uuid, table.MEMORY, megabytes)

    @propget(vs=0x6002003A, vpc=0x60020031, vt=VT.I4, fails=_UNKNOWN)
    def ProcessorSpeed(self) -> int:
        """The speed of the CPU that runs the machine, in MHz: the host's, as libvirt's node information has it.

        A guest that is emulated instruction by instruction has no speed of its own that anybody could tell.
        """
        with self._domain() as domain:
            return self._host(domain).mhz()

    @propget(vs=0x6002003B, vpc=0x60020032, vt=VT.BOOL, fails=_UNKNOWN)
    def HasMMX(self) -> bool:
        """Whether the machine's CPU has MMX."""
        return self._has("mmx")

    @propget(vs=0x6002003C, vpc=0x60020033, vt=VT.BOOL, fails=_UNKNOWN)
    def HasSSE(self) -> bool:
        """Whether the machine's CPU has SSE."""
        return self._has("sse")

    @propget(vs=0x6002003D, vpc=0x60020034, vt=VT.BOOL, fails=_UNKNOWN)
    def HasSSE2(self) -> bool:
        """Whether the machine's CPU has SSE2."""
        return self._has("sse2")

    @propget(vs=0x6002003E, vpc=0x60020035, vt=VT.BOOL, fails=_UNKNOWN)
    def Has3DNow(self) -> bool:
        """Whether the machine's CPU has 3DNow."""
        return self._has("3dnow")

    def _host(self, domain: libvirt.virDomain) -> HostFacts:
        return host_of(self._server.connection, domain.connect())

    def _has(self, feature: str) -> bool:
        """Whether the CPU that the guest has, or would be started with, has a feature (see `hostcpu`)."""
        from vpcshim.hypervisor import hostcpu

        with self._domain() as domain:
            write = hostcpu.asks_hypervisor(domain.XMLDesc())
        with self._domain(write=write) as domain:
            return feature in hostcpu.features(domain)
