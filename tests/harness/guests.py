"""Real guests under a private libvirtd: emulated QEMU machines that do what the test says and nothing else."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import libvirt

from tests.harness import cgroups, initramfs, needs
from tests.harness.daemon import free_port
from tests.harness.guest_xml import Disk, GuestFiles, Hardware, Nic, domain_xml
from tests.harness.inner_init import NO_CGROUPS
from tests.harness.kernel import find_kernel
from tests.harness.process import Daemon
from tests.harness.waiting import wait_until

__all__ = ["Answer", "Disk", "Guest", "GuestFactory", "GuestMaker", "Hardware", "Nic", "PrivateLibvirtd"]

#: Longest wait for a guest to come up; emulated on a busy machine it can be slow.
BOOT_SECONDS = 90.0
#: Frames to this address end at the first bridge (it is reserved for link-local protocols), so no other guest
#: on the bridge receives them.
ENDS_AT_BRIDGE = "01:80:c2:00:00:0e"
#: "@ID STATUS BASE64".  A serial port that is still booting echoes requests: those have no "@".
ANSWER = re.compile(rb"@([0-9a-f]+) (\d+) ?([A-Za-z0-9+/=]*)$")

LIBVIRTD_CONF = """\
unix_sock_group = "root"
auth_unix_ro = "none"
auth_unix_rw = "none"
listen_tls = 0
listen_tcp = {listen}
listen_addr = "127.0.0.1"
tcp_port = "{port}"
auth_tcp = "none"
log_outputs = "2:file:{log}"
host_uuid = "5d0c7fe8-8d3f-4d7c-9c60-7a0d5a6e5f02"
"""

QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
namespaces = []
cgroup_controllers = [ {controllers} ]
dynamic_ownership = 0
remember_owner = 0
lock_manager = "nop"
"""

NETWORK = "shimnet"
NETWORK_BRIDGE = "shimnet0"
#: 'open' keeps libvirt away from the firewall, but wants an address; without DNS and DHCP there is no dnsmasq.
NETWORK_XML = f"""\
<network>
  <name>{NETWORK}</name>
  <forward mode='open'/>
  <bridge name='{NETWORK_BRIDGE}' stp='off' delay='0'/>
  <dns enable='no'/>
  <ip address='192.0.2.1' netmask='255.255.255.0'/>
</network>
"""


class PrivateLibvirtd(Daemon):
    """A privileged libvirtd with the QEMU driver, on the default sockets of our own /run."""

    __test__ = False
    uri = "qemu:///system"

    def __init__(self, *, listen_tcp: bool = False) -> None:
        libvirtd = needs.program("libvirtd", "libvirt-daemon-system")
        needs.program("qemu-system-x86_64", "qemu-system-x86")
        self.folder = Path(tempfile.mkdtemp(prefix="vpcshim-"))
        log = self.folder / "libvirtd.log"
        # Debian's package brings this folder, and libvirt's network driver does not make it.
        Path("/var/lib/libvirt/dnsmasq").mkdir(parents=True, exist_ok=True)
        self.port = free_port() if listen_tcp else 0
        Path("/etc/libvirt/libvirtd.conf").write_text(
            LIBVIRTD_CONF.format(log=log, listen=int(listen_tcp), port=self.port or 16509)
        )
        controllers = ", ".join(f'"{name}"' for name in cgroups.CONTROLLERS)
        Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF.format(controllers=controllers))
        super().__init__([libvirtd, *(["--listen"] if listen_tcp else [])], log=log, ready=self._answers)

    @staticmethod
    def why_no_cpu_limits() -> str | None:
        """Why libvirt cannot limit a guest's CPU here, or None when it can."""
        return os.environ.get(NO_CGROUPS) or None

    def open(self) -> Any:
        """A new connection to this daemon."""
        return libvirt.open(self.uri)

    def _answers(self) -> bool:
        if not Path("/run/libvirt/libvirt-sock").exists():
            return False
        connection = self.open()
        connection.close()
        return True

    def start_network(self) -> str:
        """Define and start the libvirt network the guests use; its name."""
        connection = self.open()
        try:
            connection.networkDefineXML(NETWORK_XML).create()
        finally:
            connection.close()
        return NETWORK

    def destroy_everything(self) -> None:
        """End every guest and network that is left, so that the daemon can go."""
        connection = self.open()
        try:
            for domain in connection.listAllDomains():
                remove_domain(domain)
            for one in connection.listAllNetworks():
                if one.isActive():
                    one.destroy()
                if one.isPersistent():
                    one.undefine()
        finally:
            connection.close()

    def close(self) -> None:
        """Destroy what is left, end the daemon and remove its folder."""
        try:
            if self.running:
                self.thaw()
                self.destroy_everything()
                self.stop()
        finally:
            self.kill()
            shutil.rmtree(self.folder, ignore_errors=True)


def remove_domain(domain: Any) -> None:
    """Destroy and undefine, with everything libvirt keeps about it; a domain that is gone already is fine."""
    try:
        if domain.isActive():
            domain.destroy()
        if domain.isPersistent():
            domain.undefineFlags(
                libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            )
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            raise


@dataclass(frozen=True)
class Answer:
    """What a command in the guest came to."""

    status: int
    output: str


class Guest:
    """A running machine and the line to its shell.  Made by the ``guest_factory`` fixture."""

    def __init__(self, connection: Any, name: str, hardware: Hardware, files: GuestFiles) -> None:
        self.name = name
        self.hardware = hardware
        self.files = files
        self.xml = domain_xml(name, files, hardware)
        self.domain = connection.defineXML(self.xml)
        self._line: socket.socket | None = None
        self._buffer = b""
        self._serial = 0
        #: Changes with every boot.
        self.boot_id = ""
        #: Seconds from create() to the first answer.
        self.boot_seconds = 0.0

    @property
    def nics(self) -> tuple[Nic, ...]:
        """The network cards it was made with."""
        return self.hardware.nics

    def start(self, flags: int = 0) -> None:
        """Start it (or restore its managed save image) and wait until it answers."""
        began = time.monotonic()
        self.domain.createWithFlags(flags)
        self.wait_ready()
        self.boot_seconds = time.monotonic() - began

    def wait_ready(self, timeout: float = BOOT_SECONDS) -> None:
        """Wait until the guest's shell answers; also after a restore, which is a new QEMU with a new socket.

        The line is kept as long as it lasts: QEMU forgets what it has not read yet when its client hangs up.
        """
        deadline = time.monotonic() + timeout
        patience = 0.25
        while True:
            try:
                answer = self.run("cat /proc/sys/kernel/random/boot_id", timeout=patience)
                self.boot_id = answer.output.strip()
                return
            except (TimeoutError, OSError) as error:
                if time.monotonic() > deadline:
                    raise AssertionError(
                        f"guest {self.name} did not answer within {timeout:g} s: {error}\n{self.console()}"
                    ) from error
                patience *= 1.25  # on a busy host a shell may take longer, and nobody hears the answer to the last
                time.sleep(0.01)

    def wait_reboot(self, timeout: float = BOOT_SECONDS) -> None:
        """Wait until the guest has booted once more, whoever made it."""
        old = self.boot_id

        def booted() -> bool:
            self.wait_ready(timeout)
            return self.boot_id != old

        wait_until(booted, timeout, f"guest {self.name} boots again")

    def run(self, command: str, timeout: float = 30.0) -> Answer:
        """Run a shell line in the guest; its status and output."""
        wanted = self.send(command)
        deadline = time.monotonic() + timeout
        while True:
            found = ANSWER.search(self._read_line(deadline))
            if found and found[1].decode() == wanted:
                return Answer(int(found[2]), base64.b64decode(found[3]).decode(errors="replace"))

    def check(self, command: str, timeout: float = 30.0) -> str:
        """Run a shell line that has to succeed; its output."""
        answer = self.run(command, timeout)
        assert answer.status == 0, f"{self.name}: {command!r} ended with {answer.status}: {answer.output}"
        return answer.output

    def send(self, command: str) -> str:
        """Send a shell line without waiting, for those that never come back (``reboot -f``)."""
        self._serial += 1
        wanted = f"{self._serial:x}"
        text = base64.b64encode(command.encode()).decode()
        try:
            if self._line is None:
                self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._line.settimeout(5)
                self._line.connect(str(self.files.command_socket))
            self._line.settimeout(5)
            # The empty line ends whatever half a line a booting serial port has swallowed.
            self._line.sendall(f"\n{wanted} {text}\n".encode())
        except OSError:
            self.hang_up()
            raise
        return wanted

    def _read_line(self, deadline: float) -> bytes:
        assert self._line is not None
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"guest {self.name} did not answer in time\n{self.console()}")
            self._line.settimeout(left)
            try:
                got = self._line.recv(65536)
            except OSError:
                if time.monotonic() >= deadline:
                    continue
                self.hang_up()
                raise
            if not got:
                self.hang_up()
                raise ConnectionError(f"guest {self.name} hung up")
            self._buffer += got
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.strip()

    def hang_up(self) -> None:
        """Close the line to the guest's shell; the next command opens it again."""
        if self._line is not None:
            self._line.close()
        self._line = None
        self._buffer = b""

    def console(self, lines: int = 20) -> str:
        """The end of the guest's kernel console."""
        if not self.files.console.exists():
            return "(no console output)"
        return "\n".join(self.files.console.read_text(errors="replace").splitlines()[-lines:])

    def device(self, nic: int | str) -> str:
        """The guest's own name (eth0) for a card, by its place or its MAC."""
        mac = self.nics[nic].mac if isinstance(nic, int) else nic
        return self.check(f"cd /sys/class/net && grep -il '^{mac}$' */address").split("/")[0].strip()

    def tap(self, nic: int = 0) -> str:
        """The host's name for a card's tap, from the live XML; empty for a user-mode card."""
        from lxml import etree

        root = etree.fromstring(self.domain.XMLDesc())
        found = root.xpath(
            "string(/domain/devices/interface[mac/@address=$mac]/target/@dev)", mac=self.nics[nic].mac.lower()
        )
        return str(found)

    def send_frames(
        self, nic: int, count: int, size: int, *, to: str = ENDS_AT_BRIDGE, timeout: float = 60.0
    ) -> None:
        """Send exactly ``count`` ethernet frames of exactly ``size`` bytes out of a card.

        The kernel's packet generator does it, so both numbers are exact: no addresses, no neighbours, no replies.
        """
        if not 60 <= size <= 1514:
            raise ValueError("an ethernet frame has 60 to 1514 bytes without its checksum")
        device = self.device(nic)
        script = f"""
            set -e
            cd /proc/net/pktgen
            echo rem_device_all > kpktgend_0
            echo add_device {device} > kpktgend_0
            for order in 'count {count}' 'pkt_size {size}' 'delay 0' 'dst_mac {to}' 'dst 192.0.2.1'; do
              echo "$order" > {device}
            done
            echo start > pgctrl
            grep -q 'errors: 0' {device} && grep -q 'pkts-sofar: {count} ' {device} || {{ cat {device}; exit 1; }}
            echo rem_device_all > kpktgend_0
        """
        self.check(script, timeout)

    def read_disk(self, device: str, mib: int, timeout: float = 120.0) -> None:
        """Read the first MiBs of a disk past the guest's cache."""
        self.check(f"dd if=/dev/{device} of=/dev/null bs=1M count={mib} iflag=direct", timeout)

    def write_disk(self, device: str, mib: int, timeout: float = 120.0) -> None:
        """Write zeros over the first MiBs of a disk past the guest's cache."""
        self.check(f"dd if=/dev/zero of=/dev/{device} bs=1M count={mib} oflag=direct", timeout)

    def spin(self) -> None:
        """Burn one CPU until stop_spinning() or the end."""
        self.check("(while :; do :; done) > /dev/null 2>&1 & echo $! >> /tmp/spinning")

    def seconds_to_use(self, cpu_seconds: float) -> float:
        """How long it takes until it has used that much more CPU time."""
        before, began = self.domain.info()[4], time.monotonic()
        wait_until(lambda: self.domain.info()[4] - before >= cpu_seconds * 1e9, 20, f"{self.name} uses CPU time")
        return time.monotonic() - began

    def stop_spinning(self) -> None:
        """End what spin() began."""
        self.check("kill $(cat /tmp/spinning) && rm /tmp/spinning")

    def touch_memory(self, mib: int) -> None:
        """Make the guest really use that much memory."""
        self.check(f"dd if=/dev/zero of=/tmp/memory bs=1M count={mib}")

    def reset(self) -> None:
        """Reset from outside, and wait until it has booted again."""
        self.domain.reset()
        self.wait_reboot()

    def reboot_from_inside(self) -> None:
        """The guest reboots itself; wait until it has."""
        self.send("reboot -f")
        self.wait_reboot()

    def managed_save(self) -> None:
        """Save to libvirt's own place; start() restores it."""
        self.hang_up()
        self.domain.managedSave()

    def remove(self) -> None:
        """Destroy and undefine it."""
        self.hang_up()
        remove_domain(self.domain)


class GuestFactory(Protocol):
    """Makes a guest; started and answering unless ``start=False``."""

    def __call__(
        self,
        *,
        nics: tuple[Nic, ...] = (),
        disks: tuple[Disk, ...] = (),
        name: str = "",
        start: bool = True,
        memory_mib: int = 96,
        vcpus: int = 1,
        extra: str = "",
        devices: str = "",
    ) -> Guest: ...


class GuestMaker:
    """Makes guests that share a kernel and an initramfs, and removes them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kernel = find_kernel()
        self._initramfs = folder / "initramfs"
        self._initramfs.write_bytes(initramfs.build(self._kernel))
        self._made = 0

    def files(self, name: str) -> GuestFiles:
        """The files of a guest of that name."""
        return GuestFiles(
            self._kernel.image, self._initramfs, self._folder / f"{name}.log", self._folder / f"{name}.sock"
        )

    def next_number(self) -> int:
        """A number no other guest of this session has."""
        self._made += 1
        return self._made

    def make(self, connection: Any, name: str, hardware: Hardware) -> Guest:
        """Define a guest."""
        return Guest(connection, name, hardware, self.files(name))

    def make_disk(self, name: str, mib: int) -> Path:
        """A raw disk of known size, full of zeros."""
        path = self._folder / name
        with path.open("wb") as disk:
            disk.truncate(mib << 20)
        return path

    def close(self) -> None:
        """Forget the files."""
        with contextlib.suppress(FileNotFoundError):
            self._initramfs.unlink()
