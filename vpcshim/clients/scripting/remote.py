"""Serving the in-process COM server of genuine Windows (`wine/host/inproc.c`) over a socket.

Nothing here is encrypted: listen on this machine alone, and let ssh carry it (`ssh -L`). A client that does not
know the secret is served nothing.
"""

from __future__ import annotations

import contextlib
import logging
import socket

from vpcshim.clients.calls import Calls, Hook
from vpcshim.clients.scripting.channel import Channel, HostGone
from vpcshim.clients.scripting.frames import BadFrame
from vpcshim.clients.scripting.globals import Factory
from vpcshim.clients.scripting.language import VBSCRIPT
from vpcshim.clients.scripting.objects import Functions
from vpcshim.clients.scripting.session import Session

logger = logging.getLogger(__name__)


def serve_client(client: socket.socket, secret: bytes, factory: Factory, hooks: tuple[Hook, ...] = ()) -> None:
    """Serve one program until it goes away; whatever it sends that is no frame ends the connection, and is logged.

    Args:
        client: The connection; it is closed.
        secret: What the client has to greet with (VPCSHIM_SECRET, in hex, on its side).
        factory: Makes the applications.
        hooks: What sees its calls.
    """
    calls = Calls(*hooks)

    def create(progid: str) -> object:
        result = calls.create(factory, progid, None)
        if result.failure is not None:
            raise result.failure
        return result.value

    with client:
        if client.family in (socket.AF_INET, socket.AF_INET6):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = Session(Channel(client.fileno(), client.fileno()), secret, calls, VBSCRIPT)
        with contextlib.suppress(HostGone):  # a program that is done just ends
            try:
                session.run("", "", "", {"vpcshim": Functions({"CreateObject": create})})
            except BadFrame as error:
                logger.warning("a client is given up: %s", error)
