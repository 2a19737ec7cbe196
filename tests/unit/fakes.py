"""Stand-ins for libvirt's objects, for tests without a libvirt connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt


def libvirt_error(code: int | None, domain: int = libvirt.VIR_FROM_QEMU, message: str = "as told") -> Exception:
    """The libvirtError that libvirt raises for that code and domain; None: one without an error behind it."""
    error = libvirt.libvirtError(message)
    error.err = None if code is None else (code, domain, message, 2, "", "", "", -1, -1)
    assert isinstance(error, Exception)
    return error


Answer = Any | Exception


def answered(answer: Answer) -> Any:
    """The answer, or raise it."""
    if isinstance(answer, Exception):
        raise answer
    return answer


class FakeDomain:
    """A domain that answers from tables; of several XMLs one is handed out after the other, the last for good."""

    def __init__(
        self,
        xml: str | list[str | Exception],
        nics: dict[str, Answer] | None = None,
        disks: dict[str, Answer] | None = None,
        *,
        active: bool = True,
    ) -> None:
        self.xmls: list[str | Exception] = [xml] if isinstance(xml, str) else list(xml)
        self.nics = nics or {}
        self.disks = disks or {}
        self.active = active
        self.asked: list[str] = []
        self.metadata: list[tuple[Any, ...]] = []

    def XMLDesc(self, _flags: int = 0) -> Any:
        self.asked.append("xml")
        return answered(self.xmls.pop(0) if len(self.xmls) > 1 else self.xmls[0])

    def interfaceStats(self, device: str) -> Any:
        self.asked.append(device)
        return answered(self.nics.get(device, libvirt_error(libvirt.VIR_ERR_INVALID_ARG, message="invalid path")))

    def blockStats(self, device: str) -> Any:
        self.asked.append(device)
        return answered(self.disks.get(device, libvirt_error(libvirt.VIR_ERR_INVALID_ARG, message="invalid path")))

    def isActive(self) -> int:
        return int(self.active)

    def isPersistent(self) -> int:
        return 1

    def state(self) -> list[int]:
        return [libvirt.VIR_DOMAIN_RUNNING if self.active else libvirt.VIR_DOMAIN_SHUTOFF, 0]

    def ID(self) -> int:
        return 5 if self.active else -1

    def UUIDString(self) -> str:
        return UUID

    def setMetadata(self, *args: Any) -> int:
        self.metadata.append(args)
        return 0


UUID = "6f1f9d5c-8a0c-4d3b-9d39-2f6b6f2f6c11"


def nic(target: str | None, mac: str | None = None, kind: str = "bridge") -> str:
    """An `<interface>` element."""
    inner = f'<mac address="{mac}"/>' if mac else ""
    inner += f'<target dev="{target}"/>' if target else ""
    return f'<interface type="{kind}">{inner}</interface>'


def disk(target: str, device: str = "disk") -> str:
    """A `<disk>` element."""
    return f'<disk type="file" device="{device}"><target dev="{target}" bus="virtio"/></disk>'


def domain_xml(devices: str = "", *, number: int | None = 5, metadata: str = "", kind: str = "kvm") -> str:
    """The XML of a domain, live unless `number` is None."""
    name = "" if number is None else f" id='{number}'"
    return (
        f"<domain type='{kind}'{name}><name>web01</name><uuid>{UUID}</uuid>"
        f"<metadata>{metadata}</metadata><vcpu>2</vcpu><devices>{devices}</devices></domain>"
    )


class FakeConnect:
    """A connection that remembers what was asked of it."""

    def __init__(self, uri: str = "qemu:///system", *, keepalive: Answer = 0) -> None:
        self.uri = uri
        self.alive: Answer = True
        self.keepalive = keepalive
        self.keepalives: list[tuple[int, int]] = []
        self.close_callback: Callable[..., None] | None = None
        self.unregistered = 0
        self.refuse_callback: Exception | None = None

    def getURI(self) -> str:
        return self.uri

    def isAlive(self) -> Any:
        return answered(self.alive)

    def setKeepAlive(self, interval: int, count: int) -> Any:
        self.keepalives.append((interval, count))
        return answered(self.keepalive)

    def registerCloseCallback(self, callback: Callable[..., None], _opaque: object) -> int:
        if self.refuse_callback is not None:
            raise self.refuse_callback
        self.close_callback = callback
        return 0

    def unregisterCloseCallback(self) -> int:
        self.close_callback = None
        self.unregistered += 1
        return 0

    def lookupByUUIDString(self, _uuid: str) -> Any:
        raise libvirt_error(libvirt.VIR_ERR_NO_DOMAIN, message="no domain with matching uuid")
