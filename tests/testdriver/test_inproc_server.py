"""The in-process COM server of genuine Windows, in Wine: registered, asked for by COM, served over a socket."""

from __future__ import annotations

import secrets
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.harness import needs
from tests.harness.wine import need_wine
from vpcshim.clients.scripting.frames import SECRET_SIZE
from vpcshim.clients.scripting.remote import serve_client
from vpcshim.clients.wine import installation, program
from vpcshim.testing import Machine, NodeBuilder

CLIENT = Path(__file__).parent / "windows" / "client.c"


def _compiled(target: Path, sources: list[str], *more: str) -> Path:
    command = [program.COMPILER, "-O1", "-o", str(target), *sources, *more]
    subprocess.run(command, check=True, capture_output=True)
    return target


@pytest.mark.parametrize("knows", [True, False])
def test_a_program_on_windows(knows: bool, vpcshim_node: NodeBuilder, tmp_path: Path) -> None:
    need_wine()
    needs.program(program.COMPILER, "gcc-mingw-w64-x86-64")
    wine = installation.find()
    node = vpcshim_node(Machine("web01"), Machine("web02"))
    sources = [str(program.HOME / name) for name in program.SERVER_SOURCES]
    library = _compiled(tmp_path / "vpcshim.dll", sources, *program.SERVER_FLAGS, *program.SERVER_LIBRARIES)
    client = _compiled(tmp_path / "client.exe", [str(CLIENT)], *program.LIBRARIES)
    secret = secrets.token_bytes(SECRET_SIZE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def serve() -> None:
            serve_client(listener.accept()[0], secret, lambda progid, _server: node.application(progid))

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        environment = wine.environment(installation.prefix(wine))
        environment["VPCSHIM_SERVER"] = f"127.0.0.1:{listener.getsockname()[1]}"
        environment["VPCSHIM_SECRET"] = (secret if knows else bytes(SECRET_SIZE)).hex()
        register = [wine.loader, "regsvr32", "/s"]
        subprocess.run([*register, str(library)], env=environment, check=True, timeout=120)
        try:
            told = subprocess.run(
                [wine.loader, str(client)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        finally:
            subprocess.run([*register, "/u", str(library)], env=environment, check=True, timeout=120)
        server.join(10)
    assert not server.is_alive()
    served = ["create 00000000", "name 00000000 Virtual Server", "machines 00000000", "count 00000000 2"]
    assert told.stdout.splitlines() == ([*served, "nothing 80020006"] if knows else ["create 800706ba"])
