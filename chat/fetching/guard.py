"""Decides which addresses the chat may connect to for a link: those of the internet, and no others.

A member chooses the link, and the server of a link chooses its name's addresses and where it redirects to. So names are
resolved here, each address is checked, and the connection goes to an address that was checked: a name server that
answers otherwise the next time (DNS rebinding) is not asked again.
"""

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str], Awaitable[Sequence[str]]]

PORTS = frozenset({80, 443})
THREADS = 16  # a name server that does not answer keeps a thread for half a minute, much longer than its link waits

# Besides the networks that are not global: those that lead to others, and a metadata service at a public address.
_REFUSED = tuple(
    ip_network(each)
    for each in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "168.63.129.16/32",  # Azure
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # Teredo and others
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class NotFetched(Exception):
    """A link cannot be fetched; the text says why."""


class Refused(NotFetched):
    """The chat may not connect there."""


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to the internet, and not to this machine, its networks or its provider."""
    if isinstance(address, IPv6Address):
        # A machine with IPv6 only reaches IPv4 by such addresses, so the one inside counts.
        inner = address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None)
        if inner is not None:
            return is_public(inner)
        if address not in _GLOBAL_IPV6:
            return False
    return address.is_global and not any(address in network for network in _REFUSED)


async def ask_system(host: str) -> Sequence[str]:
    """Resolve a host's name as the machine does."""
    found = await run_sync(_resolve, host, limiter=_threads(), abandon_on_cancel=True)
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Guard:
    """The addresses that may be connected to: public ones, and those in the networks `allowed` by a setting."""

    allowed: tuple[Network, ...] = ()
    resolve: Resolve = ask_system

    async def addresses_of(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a host; raises `Refused` if one of them may not be connected to, or `NotFetched`."""
        try:
            found = [ip_address(host)]
        except ValueError:
            found = [_without_zone(each) for each in await self._resolved(host)]
        if not found:
            raise NotFetched("its name has no address")
        for address in found:
            self._check(address, port)
        return [str(address) for address in found]

    async def _resolved(self, host: str) -> Sequence[str]:
        try:
            return await self.resolve(host)
        except (OSError, UnicodeError) as error:
            raise NotFetched("its name cannot be resolved") from error

    def _check(self, address: Address, port: int) -> None:
        # An address within another is the same place.
        inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        if any(each in network for each in (address, inner) if each for network in self.allowed):
            return
        if not is_public(address):
            raise Refused(f"{address} is not a public address")
        if port not in PORTS:
            raise Refused(f"port {port} is not one of web pages")


def _resolve(host: str) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def _without_zone(address: str) -> Address:
    try:
        return ip_address(address.partition("%")[0])
    except ValueError as error:
        raise NotFetched("its name has no address") from error


_limiters: list[CapacityLimiter] = []


def _threads() -> CapacityLimiter:
    """Return the limiter of the threads that resolve names, which needs a running loop when it is made."""
    if not _limiters:
        _limiters.append(CapacityLimiter(THREADS))
    return _limiters[0]
