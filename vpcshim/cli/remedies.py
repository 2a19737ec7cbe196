"""Why a libvirt server cannot be reached or used, and what to do about it."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import libvirt

from vpcshim.hypervisor.errors import AccessDenied, ConnectionFailed, HypervisorError


@dataclass(frozen=True)
class Diagnosis:
    """What kind of trouble it is, and the way out."""

    kind: str
    remedy: str


_NO_PERMISSION = (
    "join the group that may use libvirt (sudo usermod -aG libvirt $USER, then log in again), or allow "
    "org.libvirt.unix.manage in polkit"
)
_BAD_URI = (
    "write it as driver:///path or driver+transport://host/path, e.g. qemu:///system or qemu+ssh://host/system, "
    "or as an alias of libvirt.conf's uri_aliases"
)
# libvirt.org/drivers.html
_DRIVERS = frozenset(
    (
        "bhyve",
        "ch",
        "esx",
        "gsx",
        "hyperv",
        "lxc",
        "openvz",
        "qemu",
        "remote",
        "test",
        "vbox",
        "vpx",
        "vz",
        "xen",
        "vmwarefusion",
        "vmwareplayer",
        "vmwarews",
    )
)
_ABSENT = (errno.ENOENT, errno.ECONNREFUSED)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_URI_CODES = (libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_INTERNAL_ERROR)


def split(uri: str) -> SplitResult | None:
    """The parts of a URI; None when it is not well-formed."""
    try:
        return urlsplit(uri)
    except ValueError:
        return None


def diagnose(error: HypervisorError, uri: str | None, timeout: float) -> Diagnosis:
    """Tell apart why a connection failed: by libvirt's code, and the errno that it passes on in int1."""
    cause = error.__cause__
    number = cause.get_int1() if isinstance(cause, libvirt.libvirtError) else None
    if error.code is None and isinstance(error, ConnectionFailed):
        remedy = (
            f"see whether the daemon hangs (systemctl status libvirtd), or allow more than --timeout {timeout:g}"
        )
        return Diagnosis("timeout", remedy)
    if error.code == libvirt.VIR_ERR_OPERATION_DENIED:
        return Diagnosis(
            "read-only", "name another socket in the URI than libvirt's read-only one (libvirt-sock-ro)"
        )
    if isinstance(error, AccessDenied) or number in _FORBIDDEN:
        return Diagnosis("no permission", _NO_PERMISSION)
    if error.code == libvirt.VIR_ERR_UNKNOWN_HOST:
        return Diagnosis("unknown host", "check the host's name")
    parts = split(uri or "")
    if parts is None:
        return Diagnosis("bad URI", f"the host in it is not one; {_BAD_URI}")
    transport = parts.scheme.partition("+")[2]
    if transport in ("ssh", "libssh", "libssh2") or (uri and "/" not in uri and error.code not in _URI_CODES):
        host = parts.hostname or uri
        return Diagnosis("no connection by ssh", f"make `ssh {host} virsh uri` work without a question first")
    if transport in ("tcp", "tls"):
        return Diagnosis(f"no connection by {transport}", _of_network(transport))
    if parts.scheme and parts.scheme.partition("+")[0] not in _DRIVERS:
        # libvirt hands a driver that it does not know to the daemon, and misses that.
        return Diagnosis("bad URI", f"libvirt has no driver of that name; {_BAD_URI}")
    if error.domain == libvirt.VIR_FROM_RPC and number in _ABSENT:
        return Diagnosis("no daemon", _start(parts))
    if error.code in _URI_CODES:
        return Diagnosis("bad URI", _BAD_URI)
    return Diagnosis("failed", "look at the daemon's log: journalctl -u libvirtd (or -u virtqemud)")


def _of_network(transport: str) -> str:
    socket = f"systemctl enable --now libvirtd-{transport}.socket on that host"
    return socket if transport == "tcp" else f"{socket}; certificates as in libvirt.org/kbase/tlscerts.html"


def _start(parts: SplitResult) -> str:
    if parts.path.startswith("/session"):
        return "the session daemon starts by itself once libvirt's daemons (libvirtd or virtqemud) are installed"
    driver = parts.scheme.partition("+")[0] or "qemu"
    return (
        f"sudo systemctl start libvirtd, or virt{driver}d where libvirt's daemons are modular; install "
        "libvirt-daemon-system where there is neither"
    )
