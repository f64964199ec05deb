"""The spelling of addresses, their networks, and trusted proxies."""

import pytest

from chat import addresses
from chat.addresses import TrustedProxies, network_of, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:cb00:7107]:443", "203.0.113.7"),
        ("2001:DB8:0:0::0001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        ("unknown", None),
        ("_hidden", None),
        ("203.0.113", None),
        ("203.0.113.007", None),
        ("203.0.113.7:", None),
        ("203.0.113.7:http", None),
        ("[2001:db8::1", None),
        ("[2001:db8::1]x", None),
        ("2001:db8::1::2", None),
        ("203.0.113.7\x00", None),
        ("٢٠٣.0.113.7", None),
        ("1" * 100_000, None),
    ],
)
def test_every_spelling_of_an_address_becomes_the_same(text: str, address: str | None) -> None:
    parsed = parse_address(text)
    assert (str(parsed) if parsed else None) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_all_addresses_of_a_household_are_counted_together(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("proxies", "peer", "trusted"),
    [
        ("127.0.0.1,::1", "127.0.0.1", True),
        ("127.0.0.1,::1", "::1", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("10.0.0.0/8, 192.168.1.1", "10.20.30.40", True),
        ("10.0.0.0/8, 192.168.1.1", "192.168.1.2", False),
        ("10.1.2.3/8", "10.200.0.1", True),
        ("::ffff:10.0.0.0/104", "10.20.30.40", True),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "10.0.0.1", False),
        ("*", "203.0.113.7", True),
        ("0.0.0.0/0", "203.0.113.7", True),
        ("*", None, True),
        ("127.0.0.1", None, False),
        ("127.0.0.1", "", False),
        ("", "127.0.0.1", False),
    ],
)
def test_only_named_proxies_are_trusted(proxies: str, peer: str | None, trusted: bool) -> None:
    assert TrustedProxies(proxies).trusts(peer) is trusted


@pytest.mark.parametrize("text", ["proxy", "10.0.0.0/33", "10.0.0", "127.0.0.1 ::1", "http://10.0.0.1", "**"])
def test_an_invalid_proxy_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        TrustedProxies(text)


@pytest.mark.parametrize(
    ("proxies", "forwarded_for", "client"),
    [
        # A proxy that appends; the client's forged addresses stand before the proxy's entry.
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["garbage, 203.0.113.7:4711"], "203.0.113.7"),
        ("10.0.0.1", ["10.0.0.1, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["1.1.1.1, [2001:db8::7]:80"], "2001:db8::7"),
        # A chain of proxies.
        ("10.0.0.0/8", ["1.1.1.1, 203.0.113.7, 10.9.9.9"], "203.0.113.7"),
        ("10.0.0.0/8", ["203.0.113.7", "10.9.9.9, 10.8.8.8"], "203.0.113.7"),
        ("10.0.0.0/8", ["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
        # A platform's routers, whose addresses are unknown.
        ("*", ["203.0.113.7"], "203.0.113.7"),
        ("*", ["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        ("0.0.0.0/0", ["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        ("*", ["1.1.1.1", "2.2.2.2, 203.0.113.7"], "203.0.113.7"),
        ("*, 192.0.2.0/24", ["1.1.1.1, 203.0.113.7, 192.0.2.5"], "203.0.113.7"),
        # An unparsable address: the last known hop counts.
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("*", [", ,"], "10.0.0.1"),
        ("*", ["203.0.113.7, unknown"], "10.0.0.1"),
        ("*", ["203.0.113.7,"], "10.0.0.1"),
        ("10.0.0.0/8", ["203.0.113.7, unknown, 10.9.9.9"], "10.9.9.9"),
        ("*", ["1.1.1.1 203.0.113.7"], "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxy(
    proxies: str, forwarded_for: list[str], client: str
) -> None:
    assert TrustedProxies(proxies).client_of("10.0.0.1", forwarded_for) == client


def test_long_texts_are_not_kept() -> None:
    """A stranger chooses the header, which may be as long as all headers together."""
    kept = addresses._parsed.cache_info().currsize
    for number in range(10):
        assert parse_address(f"{number}{'x' * 60_000}") is None
    assert addresses._parsed.cache_info().currsize == kept
