"""What went wrong at the hypervisor, told apart: a lost connection, a domain that is gone, one that is off.

libvirt numbers an error by code and by domain (the part of libvirt that raised it), and only the two together
say what happened: (1, RPC) is a dead connection, code 1 from elsewhere may be one NIC without a host device.
Codes: libvirt's virterror.h (virErrorNumber, virErrorDomain).
"""

from __future__ import annotations

import libvirt


class HypervisorError(Exception):
    """libvirt refused or failed a call, for a reason that has no class of its own.

    Attributes:
        code: virErrorNumber, or None where the failure was seen by vpcshim itself.
        domain: virErrorDomain, likewise.
    """

    def __init__(self, message: str, *, code: int | None = None, domain: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.domain = domain


class ConnectionFailed(HypervisorError):
    """No connection could be opened: no daemon, a bad URI, an unknown host, or no answer in time."""


class ConnectionLost(HypervisorError):
    """The connection died under a call; the next call opens a new one."""


class AccessDenied(HypervisorError):
    """The daemon knows the caller and refuses."""


class DomainGone(HypervisorError):
    """There is no such domain any more."""


class DomainOff(HypervisorError):
    """The call needs a running domain and this one is not, or it is not in the state the call needs."""


class DomainBusy(HypervisorError):
    """Another job holds the domain's lock; the connection is sound."""


class Aborted(HypervisorError):
    """Somebody aborted the job that the call waited for."""


class Unsupported(HypervisorError):
    """The driver does not have this call, or not for this kind of object."""


class NotAddressable(HypervisorError):
    """libvirt does not know the device that was named (it may just have been unplugged)."""


class Unreadable(HypervisorError):
    """One device's counters cannot be read; the message names the device and why."""


class Unknowable(HypervisorError):
    """Nothing that libvirt or the host keeps answers the question; the message says what would."""


class BadXml(HypervisorError):
    """A document that libvirt handed out, or was to be read, is not what it should be."""


_DEAD = (
    (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC),
    (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC),
    (libvirt.VIR_ERR_RPC, libvirt.VIR_FROM_RPC),
    (libvirt.VIR_ERR_RPC, libvirt.VIR_FROM_REMOTE),
    (libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_FROM_RPC),
)
_BY_CODE: dict[int, type[HypervisorError]] = {
    libvirt.VIR_ERR_INVALID_CONN: ConnectionLost,
    libvirt.VIR_ERR_NO_CONNECT: ConnectionFailed,
    libvirt.VIR_ERR_UNKNOWN_HOST: ConnectionFailed,
    libvirt.VIR_ERR_AUTH_FAILED: AccessDenied,
    libvirt.VIR_ERR_AUTH_CANCELLED: AccessDenied,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE: AccessDenied,
    libvirt.VIR_ERR_OPERATION_DENIED: AccessDenied,
    libvirt.VIR_ERR_ACCESS_DENIED: AccessDenied,
    libvirt.VIR_ERR_NO_DOMAIN: DomainGone,
    libvirt.VIR_ERR_OPERATION_INVALID: DomainOff,
    libvirt.VIR_ERR_OPERATION_TIMEOUT: DomainBusy,
    libvirt.VIR_ERR_OPERATION_ABORTED: Aborted,
    libvirt.VIR_ERR_NO_SUPPORT: Unsupported,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED: Unsupported,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED: Unsupported,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED: Unsupported,
    libvirt.VIR_ERR_INVALID_ARG: NotAddressable,
}


def classify(error: libvirt.libvirtError) -> type[HypervisorError]:
    """The class that says what happened, by the error's code and domain."""
    code, domain = error.get_error_code(), error.get_error_domain()
    if (code, domain) in _DEAD:
        return ConnectionLost
    return _BY_CODE.get(code, HypervisorError)


def translated(error: libvirt.libvirtError) -> HypervisorError:
    """libvirt's error as one of this module, with its message, code and domain."""
    message = error.get_error_message() or str(error)
    return classify(error)(message, code=error.get_error_code(), domain=error.get_error_domain())
