"""Network addresses: a canonical spelling, the network they belong to, and the trusted proxies."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

LONGEST = 64  # characters: no address with a port and a zone is longer
LOCAL_PREFIX = 64  # a household or server has at least this much of IPv6, and may use all of it


def parse_address(text: str) -> Address | None:
    """Parse an address, without its port, zone and brackets; None for anything else."""
    text = text.strip()
    # Before the cache, which would keep thousands of long headers.
    return _parsed(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Address | None:
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not _is_port(rest)):
            return None
    elif text.count(":") == 1:
        text, colon, port = text.partition(":")
        if not _is_port(colon + port):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


@lru_cache(maxsize=4096)
def canonical(address: str) -> str:
    """Return an address in its canonical spelling; anything else is returned unchanged."""
    return str(parse_address(address) or address)


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isascii() and text[1:].isdigit()


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return the network by which a client is counted: its IPv4 address, or the /64 of its IPv6 address.

    Anything else is returned unchanged.
    """
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, LOCAL_PREFIX), strict=False))
    return str(parsed or address)


class TrustedProxies:
    """The proxies whose X-Forwarded-* headers are trusted: addresses, networks, or `*` for every client."""

    def __init__(self, text: str) -> None:
        """Read addresses and networks separated by commas; raises `ValueError` for anything else."""
        parts = [part.strip() for part in text.split(",") if part.strip()]
        networks = [_network(part) for part in parts if part != "*"]
        self._networks = [network for network in networks if network.prefixlen > 0]
        self.trusts_everybody = "*" in parts or len(self._networks) < len(networks)
        # The same proxy passes on every request.
        self._names = lru_cache(maxsize=1024)(self._is_in_a_network)

    def trusts(self, address: str | None) -> bool:
        """Tell whether a trusted proxy has this address. `address` is None for a Unix socket."""
        if self.trusts_everybody:
            return True
        parsed = parse_address(address) if address else None
        return parsed is not None and self._names(parsed)

    def client_of(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return the address of the client behind a trusted `peer`, from the lines of X-Forwarded-For.

        Each proxy appends the address that connected to it. So the list is read from its end, and the first address
        that is not named as a proxy is the client: the entries before it may be forged. `*` names no address; with it
        alone, the last entry is the client.
        """
        client = parse_address(peer)
        for entry in reversed(",".join(forwarded_for).split(",")):
            address = parse_address(entry)
            if address is None:
                break
            client = address
            if not self._names(address):
                break
        return str(client or peer)

    def _is_in_a_network(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    network = ip_network(text, strict=False)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return IPv4Network((mapped, network.prefixlen - 96)) if mapped else network
