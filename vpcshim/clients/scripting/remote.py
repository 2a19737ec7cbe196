"""Serving the in-process COM server of genuine Windows (`wine/host/inproc.c`), which starts us through ssh.

The streams that we were started with are the channel: nobody else has an end of them, and whoever could start us
has our rights already. So there is no secret to know.
"""

from __future__ import annotations

import contextlib

from vpcshim.clients.calls import Calls, Hook
from vpcshim.clients.scripting.channel import Channel, HostGone
from vpcshim.clients.scripting.frames import SECRET_SIZE
from vpcshim.clients.scripting.globals import Factory
from vpcshim.clients.scripting.language import VBSCRIPT
from vpcshim.clients.scripting.objects import Functions
from vpcshim.clients.scripting.session import Session


def serve_program(reading: int, writing: int, factory: Factory, hooks: tuple[Hook, ...] = ()) -> None:
    """Serve one program until it goes away.

    Args:
        reading: The file descriptor that it is read from.
        writing: The file descriptor that it is answered on.
        factory: Makes the applications.
        hooks: What sees its calls.

    Raises:
        BadFrame: It sent what is no frame.
    """
    calls = Calls(*hooks)

    def create(progid: str) -> object:
        result = calls.create(factory, progid, None)
        if result.failure is not None:
            raise result.failure
        return result.value

    session = Session(Channel(reading, writing), bytes(SECRET_SIZE), calls, VBSCRIPT)
    with contextlib.suppress(HostGone):  # a program that is done just ends
        session.run("", "", "", {"vpcshim": Functions({"CreateObject": create})})
