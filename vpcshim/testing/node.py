"""A libvirt test-driver node as a file, and the applications connected to it.

Sources: libvirt's test driver (`test:///PATH` reads a `<node>`; `runstate`, `transient` and `hasmanagedsave` of
its own namespace stand in the `<domain>`), libvirt.org/formatdomain.html.
"""

from __future__ import annotations

import uuid as uuids
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, overload
from urllib.parse import quote

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import SETTINGS_NS
from vpcshim.hypervisor.errors import HypervisorError
from vpcshim.model.application import CreateObject, VirtualPC, VirtualServer
from vpcshim.testing.checks import check_name, check_number
from vpcshim.testing.machines import Disk, DiskDevice, Machine, Nic, State

_TEST_NS = "http://libvirt.org/schemas/domain/test/1.0"
_RUNSTATES: dict[State, int] = {
    "nostate": libvirt.VIR_DOMAIN_NOSTATE,
    "running": libvirt.VIR_DOMAIN_RUNNING,
    "blocked": libvirt.VIR_DOMAIN_BLOCKED,
    "paused": libvirt.VIR_DOMAIN_PAUSED,
    "shutdown": libvirt.VIR_DOMAIN_SHUTDOWN,
    "shutoff": libvirt.VIR_DOMAIN_SHUTOFF,
    "crashed": libvirt.VIR_DOMAIN_CRASHED,
    "pmsuspended": libvirt.VIR_DOMAIN_PMSUSPENDED,
    "saved": libvirt.VIR_DOMAIN_SHUTOFF,
}
_PREFIXES: dict[DiskDevice, str] = {"disk": "vd", "cdrom": "hd", "floppy": "fd", "lun": "sd"}
_BUSES = {"v": "virtio", "h": "ide", "f": "fdc", "s": "scsi", "u": "usb"}


class Node:
    """A node of the test driver: `path` is its file, `uri` what connects to it.

    Each process that opens the URI has the node as it stands in the file; within this process the application
    objects of `application()` share one, for as long as this object lives.

    Attributes:
        path: The node file.
        uri: The libvirt URI; VPCSHIM_URI for a program under test.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.uri = f"test://{quote(str(path.absolute()))}"
        self._held: VirtualServer | VirtualPC | None = None

    @overload
    def application(self, progid: Literal["VirtualServer.Application"] = ..., **options: Any) -> VirtualServer: ...
    @overload
    def application(self, progid: Literal["VirtualPC.Application"], **options: Any) -> VirtualPC: ...
    @overload
    def application(self, progid: str, **options: Any) -> VirtualServer | VirtualPC: ...
    def application(self, progid: str = "VirtualServer.Application", **options: Any) -> VirtualServer | VirtualPC:
        """A connected application object.

        Args:
            progid: "VirtualServer.Application" or "VirtualPC.Application".
            options: Keyword options of `vpcshim.CreateObject` (unreadable_nics, raw_counters, ...) but those that
                say where to connect. `timeout` is one of these: applications share a connection per URI and
                timeout, and each connection to a node file is a node of its own.

        Raises:
            ComError: CO_E_CLASSSTRING, as CreateObject.
            TypeError: An option that is not to be given here, or that CreateObject does not have.
            ValueError: An option has a value that it cannot have, or libvirt does not take the node file
                (somebody edited it); the message says why.
        """
        misplaced = {"server", "uri", "timeout"} & set(options)
        if misplaced:
            raise TypeError(f"the node says where to connect and how: leave out {', '.join(sorted(misplaced))}")
        made = CreateObject(progid, self.uri, **options)
        try:
            with made._server.connection.calls():
                # What holds the connection holds the node with all that was done to it.
                self._held = self._held or made
        except HypervisorError as error:
            raise ValueError(f"libvirt does not take the node file {self.path}: {error}") from error
        return made

    @contextmanager
    def connection(self) -> Iterator[libvirt.virConnect]:
        """The libvirt connection behind the applications, to do to the machines what others would do.

        Keep no virDomain of it beyond the block. libvirt's errors come out as
        `vpcshim.hypervisor.errors.HypervisorError`.
        """
        application = self._held or self.application()
        with application._server.connection.calls(write=True) as connect:
            yield connect

    def close(self) -> None:
        """Let go of the node; it ends with the last application object of it."""
        self._held = None

    def __repr__(self) -> str:
        return f"<Node {self.uri}>"


class NodeBuilder:
    """Makes nodes in a folder: what the fixture `vpcshim_node` hands out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._nodes: list[Node] = []

    def __call__(
        self,
        *machines: Machine | str,
        cpus: int = 4,
        networks: Sequence[str] = (),
        pools: Sequence[str] = (),
    ) -> Node:
        """A node with these machines; a string is the name of a machine that runs.

        Args:
            machines: The machines.
            cpus: How many CPUs the host has.
            networks: The names of virtual networks, all of them active.
            pools: The names of storage pools, likewise; empty.

        Raises:
            ValueError: An argument is out of its range, or a name stands there twice; the message says which.
            TypeError: An argument is of another type.
        """
        path = self._folder / f"vpcshim-node-{len(self._nodes) + 1}.xml"
        write_node(path, machines, cpus=cpus, networks=networks, pools=pools)
        node = Node(path)
        self._nodes.append(node)
        return node

    def close(self) -> None:
        """Let go of all nodes."""
        for node in self._nodes:
            node.close()


def write_node(
    path: Path,
    machines: Sequence[Machine | str],
    *,
    cpus: int = 4,
    networks: Sequence[str] = (),
    pools: Sequence[str] = (),
) -> None:
    """Write a node file; the arguments and what is raised are those of `NodeBuilder`."""
    known = [Machine(machine) if isinstance(machine, str) else machine for machine in machines]
    for machine in known:
        if not isinstance(machine, Machine):
            raise TypeError(f"a machine is a Machine(...) or a name, not {machine!r}")
    check_number("cpus", cpus, 1, 4096)
    _check_once("machine", [machine.name for machine in known])
    _check_once("UUID", [machine.known_uuid for machine in known])
    for what, names in (("network", networks), ("pool", pools)):
        if isinstance(names, str):
            raise TypeError(f"{what}s is a sequence of names, not one string")
        for name in names:
            check_name(f"a {what}'s name", name)
        _check_once(what, names)
    root = etree.Element("node")
    _cpu(root, cpus)
    for machine in known:
        root.append(_domain(machine))
    for number, name in enumerate(networks):
        network = etree.SubElement(root, "network")
        etree.SubElement(network, "name").text = name
        etree.SubElement(network, "bridge", name=f"virbr{number}")
    for name in pools:
        pool = etree.SubElement(root, "pool", type="dir")
        etree.SubElement(pool, "name").text = name
        etree.SubElement(etree.SubElement(pool, "target"), "path").text = f"/{name}"
    path.write_bytes(etree.tostring(root, pretty_print=True, encoding="utf-8", xml_declaration=True))


def _check_once(what: str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        # libvirt would silently keep the last of two domains that are alike.
        raise ValueError(f"there is more than one {what} {', '.join(twice)}")


def _cpu(root: etree._Element, cpus: int) -> None:
    cpu = etree.SubElement(root, "cpu")
    for name, count in (("nodes", 1), ("sockets", 1), ("cores", cpus), ("threads", 1), ("active", cpus)):
        etree.SubElement(cpu, name).text = str(count)


def _domain(machine: Machine) -> etree._Element:
    domain = etree.Element("domain", {"type": "test"}, nsmap={"test": _TEST_NS})
    etree.SubElement(domain, "name").text = machine.name
    etree.SubElement(domain, "uuid").text = machine.known_uuid
    if machine.reserve:
        metadata = etree.SubElement(domain, "metadata")
        reserve = repr(float(machine.reserve))
        etree.SubElement(metadata, f"{{{SETTINGS_NS}}}settings", reserve=reserve, nsmap={"vpcshim": SETTINGS_NS})
    etree.SubElement(domain, "memory", unit="MiB").text = "256"
    etree.SubElement(domain, "vcpu").text = str(machine.vcpus)
    etree.SubElement(etree.SubElement(domain, "os"), "type").text = "hvm"
    devices = etree.SubElement(domain, "devices")
    for place, nic in enumerate(machine.all_nics):
        devices.append(_nic(nic, machine, place))
    taken = {disk.target for disk in machine.all_disks}
    for disk in machine.all_disks:
        target = disk.target or _free_target(disk.device, taken)
        taken.add(target)
        devices.append(_disk(disk, machine, target))
    etree.SubElement(domain, f"{{{_TEST_NS}}}runstate").text = str(_RUNSTATES[machine.state])
    if machine.transient:
        etree.SubElement(domain, f"{{{_TEST_NS}}}transient")
    if machine.state == "saved":
        etree.SubElement(domain, f"{{{_TEST_NS}}}hasmanagedsave")
    return domain


def _nic(nic: Nic, machine: Machine, place: int) -> etree._Element:
    element = etree.Element("interface", type=nic.type)
    # Locally administered, and of QEMU's range, as libvirt's own are; the rest follows from whose it is.
    tail = uuids.uuid5(uuids.UUID(machine.known_uuid), f"nic {place}").bytes[:3]
    etree.SubElement(element, "mac", address=nic.mac or "52:54:00:" + tail.hex(":"))
    if nic.source is not None:
        etree.SubElement(element, "source", {nic.type: nic.source})
    if nic.target is not None:
        etree.SubElement(element, "target", dev=nic.target)
    return element


def _free_target(device: DiskDevice, taken: set[str | None]) -> str:
    for letter in "abcdefghijklmnopqrstuvwxyz":
        if (target := _PREFIXES[device] + letter) not in taken:
            return target
    raise ValueError(f"there are no names left for one more {device}: give it a target")


def _disk(disk: Disk, machine: Machine, target: str) -> etree._Element:
    element = etree.Element("disk", type="block" if disk.device == "lun" else "file", device=disk.device)
    attribute = "dev" if disk.device == "lun" else "file"
    etree.SubElement(element, "source", {attribute: disk.source or f"/{machine.name}/{target}.img"})
    bus = _BUSES.get(target[0])
    attributes = {"dev": target} if bus is None else {"dev": target, "bus": bus}
    etree.SubElement(element, "target", attributes)
    return element
