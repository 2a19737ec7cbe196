r"""What a Windows host calls a named pipe, and the UNIX socket that it is here.

`\\.\pipe\web` is `/var/lib/libvirt/qemu/pipe-web`, where QEMU may make one.
"""

from __future__ import annotations

import re

_PIPE = re.compile(r"\\\\[^\\/]+\\pipe\\([^\\/:*?\"<>|\0]+)", re.IGNORECASE)
_SOCKETS = "/var/lib/libvirt/qemu/pipe-"


def socket_of(pipe: str) -> str | None:
    """The socket that a named pipe is; None for what is none."""
    found = _PIPE.fullmatch(pipe)
    return None if found is None else f"{_SOCKETS}{found[1]}"


def pipe_of(socket: str) -> str | None:
    """The named pipe that a socket is; None for any other one."""
    name = socket.removeprefix(_SOCKETS)
    return rf"\\.\pipe\{name}" if name != socket and "/" not in name else None
