"""The first process inside the namespaces: makes them a small machine of their own, then runs pytest and reaps.

It has to be a process of its own, and not pytest: whoever is number 1 inherits every orphan, and libvirt starts
QEMU as one.  Unreaped, a QEMU that ended stays visible as a zombie, and libvirt waits for it and then gives up.

Run as a script, with the standard library only.  argv: the command to run.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.harness import cgroups

#: Everything libvirtd writes to outside the folders it is told.
COVERED = ("/run", "/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt")
MARKER = "VPCSHIM_TEST_NAMESPACE"
NO_CGROUPS = "VPCSHIM_TEST_NO_CGROUPS"
#: The host side must be silent, or the guests' counters move on their own: router solicitations and MLD of IPv6,
#: and the IGMP report for 224.0.0.106 that libvirt's bridges send some seconds after they are up.
SILENCE = {
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
    "ipv4/igmp_link_local_mcast_reports": "0",
}
#: Seconds a whole session may take.
LONGEST = 7200
CLONE_NEWCGROUP = 0x02000000


def furnish() -> None:
    """Private folders, a private /sys, cgroups of our own and a network with nothing but a quiet loopback."""
    mount = cgroups.Mount()
    for folder in COVERED:
        if Path(folder).is_dir():
            mount("tmpfs", folder, "tmpfs", "mode=755")
    know_own_name()
    mounts = [] if os.environ.get(NO_CGROUPS) else cgroups.hierarchies()
    libc = ctypes.CDLL(None, use_errno=True)
    if mounts and libc.unshare(CLONE_NEWCGROUP) != 0:
        os.environ[NO_CGROUPS] = f"no cgroup namespace: {os.strerror(ctypes.get_errno())}"
        mounts = []
    cgroups.mount_inside(mounts, mount)
    for name, value in SILENCE.items():
        path = Path("/proc/sys/net", name)
        if path.exists():
            path.write_text(value)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=10)


def know_own_name() -> None:
    """Let this machine's name resolve without DNS, which is not in here: where it does not, libvirt says so."""
    hosts = Path("/etc/hosts")
    if hosts.is_file():
        known = Path("/run/hosts")
        known.write_text(f"{hosts.read_text()}\n127.0.1.1 {socket.gethostname()}\n")
        subprocess.run(["mount", "--bind", str(known), str(hosts)], check=True, timeout=10)


def reap_until(child: int) -> int:
    """Reap whatever ends until ``child`` does; its exit status, as a shell would report it."""
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def main() -> int:
    """Furnish the namespaces and run the command."""
    # Ctrl-C reaches the whole process group: pytest ends itself, and its end is ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    furnish()
    os.environ[MARKER] = "1"
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.execvp(sys.argv[1], sys.argv[1:])

    def forward(number: int, _frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    def give_up(_number: int, _frame: object) -> None:
        print(f"the session did not end within {LONGEST} s: giving up", file=sys.stderr)
        sys.exit(124)  # and with process 1 the kernel ends all others

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST)
    return reap_until(child)


if __name__ == "__main__":
    sys.exit(main())
