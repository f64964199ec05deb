"""Which addresses the chat may connect to for a link."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.fetching.guard import Guard, NotFetched, Refused, ask_system, is_public

PRIVATE = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
]
PRIVATE_6 = ["::/96", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "2001::/32", "2001:db8::/32", "100::/64"]
METADATA = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fe80::a9fe:a9fe"]


def within(networks: list[str]) -> st.SearchStrategy[int]:
    """Addresses of networks, as numbers."""
    found = [ip_network(each) for each in networks]
    return st.one_of([st.integers(int(each.network_address), int(each.broadcast_address)) for each in found])


@given(within(PRIVATE))
def test_a_private_address_is_refused_in_every_spelling(number: int) -> None:
    assert not is_public(IPv4Address(number))
    for prefix in ("::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) + number))
    assert not is_public(IPv6Address((0x2002 << 112) + (number << 80) + 1)), "6to4"
    assert not is_public(IPv6Address((0x20010000 << 96) + (number ^ 0xFFFFFFFF))), "Teredo"


@given(within(PRIVATE_6))
def test_a_private_address_of_ipv6_is_refused(number: int) -> None:
    assert not is_public(IPv6Address(number))


@given(st.integers(0, 2**128 - 1))
def test_whatever_is_let_through_is_global(number: int) -> None:
    address = IPv6Address(number)
    if is_public(address) and address.ipv4_mapped is None:
        assert address.is_global
        assert not any((address.is_private, address.is_loopback, address.is_link_local, address.is_multicast))


@pytest.mark.parametrize("address", METADATA)
def test_an_address_with_credentials_of_the_machine_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::6810:85e5", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_passes(address: str) -> None:
    assert is_public(ip_address(address))


def answering(*addresses: str) -> Guard:
    async def resolve(_host: str) -> Sequence[str]:
        return addresses

    return Guard((ip_network("10.1.0.0/16"),), resolve)


@pytest.mark.anyio
async def test_a_name_is_refused_if_any_of_its_addresses_is() -> None:
    assert await answering("8.8.8.8", "8.8.4.4").addresses_of("dns.example", 443) == ["8.8.8.8", "8.8.4.4"]
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1%eth0", "10.2.0.1"):
        with pytest.raises(Refused):
            await answering("8.8.8.8", address).addresses_of("dns.example", 443)
    for nothing in ([], ["not an address"]):
        with pytest.raises(NotFetched):
            await answering(*nothing).addresses_of("dns.example", 443)


@pytest.mark.anyio
async def test_only_the_ports_of_web_pages_are_open_except_in_allowed_networks() -> None:
    for port in (22, 25, 5432, 8080):
        with pytest.raises(Refused, match="port"):
            await answering("8.8.8.8").addresses_of("dns.example", port)
    assert await answering("10.1.2.3").addresses_of("intranet", 8080) == ["10.1.2.3"]
    assert await answering("::ffff:10.1.2.3").addresses_of("intranet", 8080) == ["::ffff:a01:203"]


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "017700000001", "127.0.0.1", "::1"])
@pytest.mark.anyio
async def test_this_machine_is_refused_whatever_it_is_called(host: str) -> None:
    with pytest.raises(Refused):
        await Guard().addresses_of(host, 80)


@pytest.mark.anyio
async def test_a_name_without_an_address_is_not_fetched() -> None:
    with pytest.raises(NotFetched):
        await Guard().addresses_of("nowhere.invalid", 80)
    with pytest.raises(socket.gaierror):
        await ask_system("nowhere.invalid")
