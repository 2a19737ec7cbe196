"""libvirt's test driver behind a real libvirtd on private sockets: a hypervisor that can be killed or frozen."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from urllib.parse import quote

import libvirt

from tests.harness import needs
from tests.harness.process import Daemon

CONFIG = """\
unix_sock_dir = "{sockets}"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
unix_sock_admin_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
listen_tls = 0
listen_tcp = {listen}
listen_addr = "127.0.0.1"
tcp_port = "{port}"
auth_tcp = "none"
log_outputs = "2:file:{log}"
host_uuid = "5d0c7fe8-8d3f-4d7c-9c60-7a0d5a6e5f01"
keepalive_interval = -1
"""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class TestDriverDaemon(Daemon):
    """A libvirtd that serves ``test://`` URIs and nothing else.

    ``LIBVIRT_DRIVER_DIR`` points it to an empty folder, so it loads none of the drivers that would look at the
    machine; the test driver is part of libvirt itself.  That makes it start in milliseconds, lets several run side
    by side, and needs no privilege: an ordinary user's daemon gets XDG folders of its own.
    """

    __test__ = False

    def __init__(self, *, listen_tcp: bool = False) -> None:
        libvirtd = needs.program("libvirtd", "libvirt-daemon")
        # A short path: a unix socket's name ends at 107 characters, and pytest's tmp_path can be longer.
        self.folder = Path(tempfile.mkdtemp(prefix="vpcshim-"))
        self.port = free_port() if listen_tcp else 0
        for name in ("s", "drivers", "run", "config", "cache", "home"):
            (self.folder / name).mkdir(mode=0o700)
        config = self.folder / "libvirtd.conf"
        log = self.folder / "libvirtd.log"
        config.write_text(
            CONFIG.format(sockets=self.folder / "s", listen=int(listen_tcp), port=self.port or 16509, log=log)
        )
        command = [libvirtd, "--config", str(config), "--pid-file", str(self.folder / "libvirtd.pid")]
        super().__init__(
            command + (["--listen"] if listen_tcp else []),
            log=log,
            ready=self._answers,
            environment={
                "LIBVIRT_DRIVER_DIR": str(self.folder / "drivers"),
                "XDG_RUNTIME_DIR": str(self.folder / "run"),
                "XDG_CONFIG_HOME": str(self.folder / "config"),
                "XDG_CACHE_HOME": str(self.folder / "cache"),
                "HOME": str(self.folder / "home"),
            },
        )

    @property
    def socket(self) -> Path:
        """The read-write socket."""
        return self.folder / "s" / "libvirt-sock"

    @property
    def readonly_socket(self) -> Path:
        """The read-only socket: what is opened through it may look and not touch."""
        return self.folder / "s" / "libvirt-sock-ro"

    @property
    def uri(self) -> str:
        """The test driver's built-in machine, through the daemon."""
        return self.uri_for("/default")

    @property
    def readonly_uri(self) -> str:
        """The built-in machine through the read-only socket."""
        return self.uri_for("/default", readonly=True)

    @property
    def tcp_uri(self) -> str:
        """The built-in machine over TCP; only with ``listen_tcp=True``."""
        if not self.port:
            raise ValueError("this daemon does not listen on TCP")
        return f"test+tcp://127.0.0.1:{self.port}/default"

    def uri_for(self, node: str | Path, *, readonly: bool = False, **parameters: str) -> str:
        """A URI for a node file of our own: the path is opened on the daemon's side, once per connection."""
        if readonly and not running_as_root():
            needs.missing("an ordinary user's libvirtd has no read-only socket")
        sock = self.readonly_socket if readonly else self.socket
        query = {"socket": str(sock), **parameters}
        tail = "&".join(f"{name}={quote(value, safe='/')}" for name, value in query.items())
        path = node if str(node) == "/default" else Path(node).resolve()
        return f"test+unix://{quote(str(path))}?{tail}"

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        connection = libvirt.open(self.uri)
        connection.close()
        return True

    def close(self) -> None:
        """End the daemon and remove its folder."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> TestDriverDaemon:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        # pytest keeps what is printed and shows it for a test that failed.
        print(self.read_log())
        self.close()


def running_as_root() -> bool:
    """True for root; a daemon of root's must stay inside the namespaces."""
    return os.geteuid() == 0
