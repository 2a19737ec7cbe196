"""NIC counters from the host's own links, for a hypervisor on this machine.

A link is taken for a NIC only on proof: the live XML names it, it is of a kind whose direction is known, and its
MAC address is the one that libvirt gives the host's end of that very NIC: for a tap the guest's with fe as first
byte, for a macvtap the guest's own. What the host receives from a tap the guest has sent; a macvtap counts as the
guest does. (libvirt: virNetDevTapInterfaceStats, virNetDevTapCreateInBridgePort.)
"""

from __future__ import annotations

import errno
import weakref
from collections.abc import Sequence

from vpcshim.hypervisor.counters import Counters
from vpcshim.hypervisor.domainxml import DomainXml, Nic
from vpcshim.hypervisor.rtnetlink import Link, LinkBytes, RtNetlink

NAME = "host link"

# Answers of a kernel without RTM_GETSTATS, or of a sandbox without netlink: they will not change.
_NEVER = (errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES)
_TAP_TYPES = ("bridge", "network", "ethernet")


class HostLinks:
    """The host's links as a source of NIC counters."""

    def __init__(self) -> None:
        self._netlink = RtNetlink()
        # The proof lives as long as the XML it was made from: events replace that when the domain changes. A
        # link that is replaced behind libvirt's back has another index, and the old index answers no more.
        self._proofs: weakref.WeakKeyDictionary[DomainXml, list[Link | str]] = weakref.WeakKeyDictionary()
        self._broken: str | None = None

    def read(self, domains: Sequence[DomainXml]) -> list[list[Counters | str]]:
        """For each NIC of each domain its counters, or why this source does not serve it."""
        if self._broken is not None:
            return [[self._broken] * len(xml.nics) for xml in domains]
        try:
            proofs = [self._proof(xml) for xml in domains]
            links = [link for proof in proofs for link in proof if isinstance(link, Link)]
            answers = iter(self._netlink.counters([link.number for link in links]))
        except OSError as error:
            why = f"the kernel does not tell link counters: {error}"
            if error.errno in _NEVER:
                self._broken = why
            return [[why] * len(xml.nics) for xml in domains]
        return [
            [_as_guest(link, next(answers)) if isinstance(link, Link) else link for link in proof]
            for proof in proofs
        ]

    def _proof(self, xml: DomainXml) -> list[Link | str]:
        proof = self._proofs.get(xml)
        if proof is None:
            proof = self._proofs[xml] = [self._prove(nic) for nic in xml.nics]
        return proof

    def _prove(self, nic: Nic) -> Link | str:
        """The link that is the host's end of that NIC, or why none is proved to be."""
        if nic.target is None:
            return "the XML names no host device"
        link = self._netlink.link(nic.target)
        if link is None:
            return f"there is no link {nic.target} in this network namespace"
        if link.kind == "tun" and link.ethernet and nic.type in _TAP_TYPES:
            expected = f"fe{nic.mac[2:]}"
        elif link.kind == "macvtap" and nic.type == "direct":
            expected = nic.mac
        else:
            return (
                f"{nic.target} is of kind {link.kind or 'hardware'} and type {nic.type}: its direction is not known"
            )
        if not nic.mac or link.mac != expected:
            return f"the MAC address of {nic.target} is {link.mac}, not {expected}: it may be another machine's"
        return link


def _as_guest(link: Link, counted: LinkBytes | None) -> Counters | str:
    if counted is None:
        return "its host device was replaced"
    if link.kind == "macvtap":
        return Counters(into=counted.received, out=counted.sent)
    return Counters(into=counted.sent, out=counted.received)
