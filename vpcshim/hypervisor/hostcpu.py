"""Which features the CPU has that a guest gets, as far as libvirt knows it for each way to define one.

A running guest's live XML names the model, and what QEMU really left out or put in. Before that: a named model is
what libvirt's own tables say of it; `host-model` and `maximum` are what the domain capabilities say the hypervisor
can do (for an emulated guest they are probed from QEMU's `max` CPU); `host-passthrough` is the host's CPU. A domain
that names no CPU gets a default that only the hypervisor knows (libvirt's QEMU driver writes it into the XML).

Sources: libvirt.org/formatdomain.html (CPU model and topology), virConnectBaselineCPU,
virConnectGetDomainCapabilities, virConnectGetCapabilities.
"""

from __future__ import annotations

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import Unknowable
from vpcshim.hypervisor.hostfacts import HostFacts

_BY_HYPERVISOR = ("host-model", "maximum")
_X86 = ("i686", "x86_64")


def asks_hypervisor(text: str) -> bool:
    """Whether `features` will ask for domain capabilities, which takes a connection that may write.

    Args:
        text: The XML of the domain as it is now.
    """
    cpu = parse_element(text).find("cpu")
    if cpu is None:
        return False
    optional = any(feature.get("policy") == "optional" for feature in cpu.iterfind("feature"))
    return optional or cpu.get("mode") in _BY_HYPERVISOR or cpu.get("match") == "minimum"


def features(domain: libvirt.virDomain) -> frozenset[str]:
    """The features of the guest's CPU by libvirt's names: of the running guest, else of one that would be started.

    Features of x86 CPUs; none for another architecture.

    Raises:
        Unknowable: Nothing says which CPU the guest gets.
        libvirt.libvirtError: libvirt refused, or the driver does not tell.
    """
    root = parse_element(domain.XMLDesc())
    arch = root.find("os/type")
    architecture = "" if arch is None else arch.get("arch", "")
    if architecture not in _X86:
        return frozenset()
    cpu = root.find("cpu")
    mode = "" if cpu is None else cpu.get("mode") or ("custom" if cpu.find("model") is not None else "")
    if cpu is None or not mode:
        text = (
            f"the definition of {domain.name()} names no CPU, and what the hypervisor takes then it does not tell"
        )
        raise Unknowable(text)
    if mode == "host-passthrough":
        found = HostFacts(domain.connect(), "the host", local=False).features()
    elif mode in _BY_HYPERVISOR:
        found = _of_hypervisor(domain.connect(), root)
    else:
        found = _of_model(domain.connect(), architecture, cpu)
        if cpu.get("match") == "minimum" and not domain.isActive():
            found |= _of_hypervisor(domain.connect(), root)
    return _with_policies(domain, root, cpu, found)


def _with_policies(
    domain: libvirt.virDomain, root: etree._Element, cpu: etree._Element, found: frozenset[str]
) -> frozenset[str]:
    policies = {feature.get("name", ""): feature.get("policy", "require") for feature in cpu.iterfind("feature")}
    optional = {name for name, policy in policies.items() if policy == "optional"}
    if optional:  # it is there if the hypervisor has it
        found |= optional & _of_hypervisor(domain.connect(), root)
    found |= {name for name, policy in policies.items() if policy in ("require", "force")}
    return found - {name for name, policy in policies.items() if policy in ("disable", "forbid")}


def _of_model(connect: libvirt.virConnect, arch: str, cpu: etree._Element) -> frozenset[str]:
    """The features of a named model; `host-model` of the domain capabilities is one with differences."""
    asked = etree.Element("cpu")
    etree.SubElement(asked, "arch").text = arch
    etree.SubElement(asked, "model").text = cpu.findtext("model", "")
    flags = libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES
    text = connect.baselineCPU([etree.tostring(asked, encoding="unicode")], flags)
    return frozenset(feature.get("name", "") for feature in parse_element(text).iterfind("feature"))


def _of_hypervisor(connect: libvirt.virConnect, root: etree._Element) -> frozenset[str]:
    """What the hypervisor of that domain can give a guest at most."""
    machine = root.find("os/type")
    arch, kind = ("x86_64", None) if machine is None else (machine.get("arch"), machine.get("machine"))
    emulator = root.findtext("devices/emulator")
    capabilities = parse_element(connect.getDomainCapabilities(emulator, arch, kind, root.get("type")))
    model = capabilities.find("cpu/mode[@name='host-model']")
    if model is None or model.find("model") is None:
        raise Unknowable("the domain capabilities do not say which CPU the hypervisor can give a guest")
    found = _of_model(connect, arch or "x86_64", model)
    own = {item.get("name", ""): item.get("policy", "require") for item in model.iterfind("feature")}
    return (found | {name for name, policy in own.items() if policy == "require"}) - {
        name for name, policy in own.items() if policy == "disable"
    }
