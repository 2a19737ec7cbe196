"""IVMDHCPVirtualNetworkServer: the DHCP server that libvirt runs in a network (dnsmasq).

Sources: the IVMDHCPVirtualNetworkServer pages of Virtual Server's reference; libvirt.org/formatnetwork.html; for
the lease times that a client is told RFC 2131.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any, Protocol

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.hypervisor import networks
from vpcshim.hypervisor.errors import Unknowable
from vpcshim.hypervisor.networks import DNS, REBINDING, RENEWAL, ROUTER, WINS, Dhcp, Network
from vpcshim.model.base import ModelObject

_RESERVED = 15  # the first addresses of a network, as documented
_LONGEST = 2**32 - 1  # seconds
_SHORTEST_LEASE = 120  # seconds; dnsmasq hands out none shorter


class _Change(Protocol):
    def __call__(self, how: Callable[[Any], None], what: str, *, restart: bool = True) -> None: ...


class DHCPVirtualNetworkServer(
    ModelObject, interface="IVMDHCPVirtualNetworkServer", vs="{DF3850CE-3331-4998-AA56-C5F71F3A2D3F}"
):
    """The DHCP server of a network; it is changed while no running machine uses the network."""

    def __init__(self, of: ModelObject, read: Callable[[], Network], change: _Change) -> None:
        super().__init__(of._product_, of._server, of._options)
        self._read, self._change = read, change

    @method(
        vs=0x60020000,
        params=(VT.BSTR, VT.BSTR, VT.BSTR, VT.BSTR, VT.BSTR),
        fails=(
            HRESULT.E_INVALIDARG,
            HRESULT.VM_E_INVALID_IP_ADDRESS,
            HRESULT.VM_E_INVALID_NETWORK_ADDRESS,
            HRESULT.VM_E_INVALID_NETWORK_MASK,
            HRESULT.VM_E_INVALID_ENDING_ADDRESS,
            HRESULT.VM_E_INVALID_STARTING_ADDRESS,
            HRESULT.VM_E_INVALID_ADDRESS_RANGE,
        ),
    )
    def ConfigureDHCPServer(
        self, network: str, networkMask: str, startingIPAddress: str, endingIPAddress: str, serverIPAddress: str
    ) -> None:
        """Set the network's addresses: the range that is handed out, and the host's own, which serves it.

        The first 15 addresses of a network are reserved; the server's is one of them. Addresses that are reserved
        for guests (`<host>`) stay so; refused where the network would not have them any more.
        """
        subnet = _subnet(network, networkMask)
        first = _address(startingIPAddress, HRESULT.VM_E_INVALID_STARTING_ADDRESS)
        last = _address(endingIPAddress, HRESULT.VM_E_INVALID_ENDING_ADDRESS)
        server = _address(serverIPAddress, HRESULT.VM_E_INVALID_IP_ADDRESS)
        lowest = subnet.network_address + _RESERVED + 1
        if first not in subnet or not lowest <= first < subnet.broadcast_address:
            text = f"the range of {subnet} begins at {lowest} or later (the first {_RESERVED} are reserved)"
            raise Failure(HRESULT.VM_E_INVALID_STARTING_ADDRESS, f"{text}, not at {first}")
        if last not in subnet or last >= subnet.broadcast_address:
            raise Failure(HRESULT.VM_E_INVALID_ENDING_ADDRESS, f"{last} is no address of a guest in {subnet}")
        if last < first:
            raise Failure(HRESULT.VM_E_INVALID_ADDRESS_RANGE, f"a range from {first} to {last} is empty")
        if not subnet.network_address < server < first:
            text = f"the server's address lies between {subnet.network_address} and {first}"
            raise Failure(HRESULT.VM_E_INVALID_IP_ADDRESS, f"{text}, and {server} does not")
        self._change(lambda root: networks.set_dhcp(root, server, subnet, first, last), "another DHCP range")

    @method(
        vs=0x60020001,
        params=(VT.DECIMAL, VT.DECIMAL, VT.DECIMAL),
        fails=(HRESULT.E_INVALIDARG, HRESULT.DISP_E_BADVARTYPE, HRESULT.DISP_E_OVERFLOW),
    )
    def ConfigureDHCPLeaseTimes(
        self, leaseTime: Decimal, leaseRenewalTime: Decimal, leaseRebindingTime: Decimal
    ) -> None:
        """Set for how many seconds an address is leased, and after how many a guest asks to keep it.

        The renewal time is the shortest and the lease time the longest; dnsmasq leases for 120 seconds at least.
        """
        given = (leaseRenewalTime, leaseRebindingTime, leaseTime)
        for value in given:
            if value != value.to_integral_value() or value < 1:
                raise Failure(HRESULT.E_INVALIDARG, f"a lease time is a whole number of seconds, not {value}")
            if value > _LONGEST:
                raise Failure(HRESULT.DISP_E_OVERFLOW, f"a lease time is at most {_LONGEST} seconds, not {value}")
        if not leaseRenewalTime < leaseRebindingTime < leaseTime:
            text = f"{leaseRenewalTime} (renewal) < {leaseRebindingTime} (rebinding) < {leaseTime} (lease)"
            raise Failure(HRESULT.E_INVALIDARG, f"{text} does not hold, as it has to")
        if leaseTime < _SHORTEST_LEASE:
            text = f"libvirt leases an address for {_SHORTEST_LEASE} seconds at least, not for {leaseTime}"
            raise Failure(HRESULT.E_INVALIDARG, text)
        self._dhcp()  # refused before there is one
        times = {RENEWAL: str(int(leaseRenewalTime)), REBINDING: str(int(leaseRebindingTime))}

        def change(root: Any) -> None:
            networks.set_lease(root, int(leaseTime))
            networks.set_options(root, times)

        self._change(change, "other lease times")

    @propget(vs=0x60020002, vt=VT.BOOL)
    def IsEnabled(self) -> bool:
        """Whether addresses are handed out. What they are, reservations included, is kept while it is False."""
        return self._read().enabled

    @IsEnabled.write
    def _put_IsEnabled(self, enabled: bool) -> None:
        network = self._read()
        if enabled == network.enabled:
            return
        if enabled and (not network.parked or network.address is None):
            raise _no_range(network)
        self._change(networks.enable_dhcp if enabled else networks.disable_dhcp, "switching DHCP on or off")

    @propget(vs=0x60020004, vt=VT.BSTR)
    def Network(self) -> str:
        """The address of the network."""
        return str(self._subnet().network_address)

    @propget(vs=0x60020005, vt=VT.BSTR)
    def NetworkMask(self) -> str:
        """The network's mask."""
        return str(self._subnet().netmask)

    @propget(vs=0x60020006, vt=VT.BSTR)
    def StartingIPAddress(self) -> str:
        """The first address that is handed out."""
        return str(self._dhcp().first)

    @propget(vs=0x60020007, vt=VT.BSTR)
    def EndingIPAddress(self) -> str:
        """The last address that is handed out."""
        return str(self._dhcp().last)

    @propget(vs=0x60020008, vt=VT.BSTR)
    def ServerIPAddress(self) -> str:
        """The host's own address in the network, which serves the others."""
        self._subnet()
        return str(self._read().address)

    @propget(vs=0x60020009, vt=VT.DECIMAL)
    def LeaseTime(self) -> Decimal:
        """For how many seconds an address is leased; 0 for ever."""
        return Decimal(self._dhcp().lease)

    @propget(vs=0x6002000A, vt=VT.DECIMAL)
    def LeaseRenewalTime(self) -> Decimal:
        """After how many seconds a guest asks to keep its address; a half of the lease unless it was set."""
        return self._time(RENEWAL, Decimal("0.5"))

    @propget(vs=0x6002000B, vt=VT.DECIMAL)
    def LeaseRebindingTime(self) -> Decimal:
        """After how many seconds a guest asks any server; seven eighths of the lease unless it was set."""
        return self._time(REBINDING, Decimal("0.875"))

    @propget(vs=0x6002000C, vt=VT.BSTR, fails=(HRESULT.VM_E_INVALID_IP_ADDRESS,))
    def DefaultGatewayAddress(self) -> str:
        """The gateway that guests are told; "" for none.

        Unless it was set, libvirt tells the host's own address where the network leads out, and none elsewhere;
        setting it to "" tells guests of none.
        """
        network = self._read()
        if ROUTER in network.options:
            return network.options[ROUTER]
        return str(network.address) if network.forward and network.address else ""

    @DefaultGatewayAddress.write
    def _put_DefaultGatewayAddress(self, address: str) -> None:
        text = str(_address(address, HRESULT.VM_E_INVALID_IP_ADDRESS)) if address.strip() else ""
        self._set(ROUTER, text, "another gateway")

    @propget(vs=0x6002000E, vt=VT.BSTR, fails=(HRESULT.E_INVALIDARG, HRESULT.VM_E_INVALID_IP_ADDRESS))
    def DNSServers(self) -> str:
        """The name servers that guests are told, separated by commas; the host's own address unless set.

        "" for none: setting it tells guests of none.
        """
        network = self._read()
        if DNS in network.options:
            return network.options[DNS]
        return str(network.address) if network.dns and network.address else ""

    @DNSServers.write
    def _put_DNSServers(self, addresses: str) -> None:
        self._set(DNS, _addresses(addresses), "other name servers")

    @propget(vs=0x60020010, vt=VT.BSTR, fails=(HRESULT.E_INVALIDARG, HRESULT.VM_E_INVALID_IP_ADDRESS))
    def WINSServers(self) -> str:
        """The NetBIOS name servers that guests are told, separated by commas; "" for none."""
        return self._read().options.get(WINS, "")

    @WINSServers.write
    def _put_WINSServers(self, addresses: str) -> None:
        self._set(WINS, _addresses(addresses) or None, "other WINS servers")

    def _set(self, option: int, text: str | None, what: str) -> None:
        self._change(lambda root: networks.set_options(root, {option: text}), what)

    def _time(self, option: int, share: Decimal) -> Decimal:
        text = self._read().options.get(option, "")
        return Decimal(text) if text.isdecimal() else Decimal(int(self._dhcp().lease * share))

    def _subnet(self) -> IPv4Network:
        network = self._read()
        if network.subnet is None:
            raise Unknowable(f"network {network.name} has no addresses yet: call ConfigureDHCPServer")
        return network.subnet

    def _dhcp(self) -> Dhcp:
        network = self._read()
        if network.dhcp is None:
            raise _no_range(network)
        return network.dhcp


def _no_range(network: Network) -> Unknowable:
    return Unknowable(f"network {network.name} has no DHCP range yet: call ConfigureDHCPServer")


def _address(text: str, wrong: HRESULT) -> IPv4Address:
    try:
        return IPv4Address(text.strip())
    except AddressValueError as error:
        raise Failure(wrong, f"{text!r} is no IPv4 address (as 10.237.0.16)") from error


def _subnet(address: str, mask: str) -> IPv4Network:
    base = _address(address, HRESULT.VM_E_INVALID_NETWORK_ADDRESS)
    bits = f"{int(_address(mask, HRESULT.VM_E_INVALID_NETWORK_MASK)):032b}"
    length = bits.count("1")
    if "01" in bits or not 1 <= length <= 27:
        text = f"{mask} is no mask of a network that has room beyond its {_RESERVED} reserved addresses"
        raise Failure(HRESULT.VM_E_INVALID_NETWORK_MASK, text)
    subnet = IPv4Network((base, length), strict=False)
    if subnet.network_address != base:
        text = f"{address} is no address of a network with the mask {mask}: that would be {subnet.network_address}"
        raise Failure(HRESULT.VM_E_INVALID_NETWORK_ADDRESS, text)
    return subnet


def _addresses(text: str) -> str:
    parts = [part.strip() for part in text.replace(";", ",").split(",")] if text.strip() else []
    return ",".join(str(_address(part, HRESULT.VM_E_INVALID_IP_ADDRESS)) for part in parts)
