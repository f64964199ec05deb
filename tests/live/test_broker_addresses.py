"""Addresses of brokers: each that makes no sense is refused at the start, with a line that shows no password."""

import re

import pytest

from chat.live.brokers.address import read_address
from chat.live.brokers.broker import create_broadcast
from chat.settings import Settings, SettingsError
from tests.support.server import SECRET_KEY

SCHEMES = ("nats", "nats+tls", "amqp", "amqps", "kafka", "kafka+tls")
SEVERAL = (*SCHEMES, "redis+cluster", "rediss+cluster")
ALL = (*SEVERAL, "redis", "rediss", "postgresql")


def refusal(url: str) -> str:
    """Return the reason why an address is refused."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011  its text is what callers look at
        create_broadcast(url)
    (line,) = str(raised.value).splitlines()
    return line


@pytest.mark.parametrize("scheme", [*ALL, "redis+sentinel", "rediss+sentinel"])
def test_an_address_with_a_wrong_host_or_port_is_refused(scheme: str) -> None:
    assert refusal(f"{scheme}://a:x/1") == "the port of 'a' must be a number from 1 to 65535"
    assert refusal(f"{scheme}://a:0/1") == refusal(f"{scheme}://a:65536/1") == refusal(f"{scheme}://a:x/1")
    assert refusal(f"{scheme}://a b/1") == "'a b' is no host"
    assert refusal(f"{scheme}://[::1/1") == "the brackets of an IPv6 address do not match"
    assert "an IPv6 address needs brackets" in refusal(f"{scheme}://::1/1")


@pytest.mark.parametrize("scheme", [*SEVERAL, "redis+sentinel", "rediss+sentinel"])
def test_an_address_without_a_host_is_refused(scheme: str) -> None:
    for hosts in ("", "a,", "a,,b", ",a"):
        assert refusal(f"{scheme}://{hosts}") == "'' is no host"


@pytest.mark.parametrize("scheme", [*ALL, "redis+sentinel", "rediss+sentinel"])
@pytest.mark.parametrize("password", ["hu/sh@h", "hu?sh@h", "hu#sh@h", "12/sh@h", "12?sh@h"])
def test_a_password_that_is_not_encoded_is_refused_without_being_shown(scheme: str, password: str) -> None:
    reason = refusal(f"{scheme}://user:{password}:4222")
    assert "/ is %2F" in reason
    assert not re.search("hu|sh|12", reason)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_password_needs_a_user_and_a_user_a_password(scheme: str) -> None:
    assert refusal(f"{scheme}://:secret@a") == "the password needs a user"
    if scheme.startswith("nats"):
        create_broadcast(f"{scheme}://token@a")
    else:
        assert refusal(f"{scheme}://user@a") == "the user 'user' needs a password"


@pytest.mark.parametrize("scheme", ["nats+tls", "amqps", "kafka+tls"])
def test_options_for_tls_that_cannot_be_used_are_refused(scheme: str) -> None:
    assert refusal(f"{scheme}://a?ca=") == "ca= names no file"
    assert refusal(f"{scheme}://a?ca=/nothing").startswith("ca=/nothing cannot be read")
    assert refusal(f"{scheme}://a?verify=maybe") == "verify must be yes or no, not 'maybe'"
    assert refusal(f"{scheme}://a?cert=x").startswith("unknown option 'cert' (known: ca and verify")
    plain = {"nats+tls": "nats", "amqps": "amqp", "kafka+tls": "kafka"}[scheme]
    assert f"{plain}:// has no encryption" in refusal(f"{plain}://a?ca=x")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nats://a/b%20c", "the path cannot be 'b c'"),
        ("nats://a/b.*", "the path cannot be 'b.*'"),
        ("nats://a/b..c", "the path cannot be 'b..c'"),
        ("nats://a/b/c", "the path cannot be 'b/c' (a / within a name is written %2F)"),
        ("amqp://a/b/c", "the path cannot be 'b/c' (a / within a name is written %2F)"),
        ("kafka://a/b/c", "the path cannot be 'b/c' (a / within a name is written %2F)"),
        ("kafka://a/größer", "the path cannot be 'größer'"),
        ("kafka://a/..", "the path cannot be '..'"),
        (f"kafka://a/{'x' * 250}", "the path cannot be 'xxx"),
        ("redis+sentinel://a", "name the service, as in redis+sentinel://host:26379/mymaster"),
        ("amqp://a?heartbeat=5", "unknown option 'heartbeat' (known: none; amqp:// has no encryption)"),
        ("kafka://u:p@a?sasl=MD5", "sasl must be PLAIN or SCRAM-SHA-256 or SCRAM-SHA-512"),
        ("kafka://a?sasl=PLAIN", "sasl needs a user and a password"),
        ("kafka://u:p@a?sasl=", "sasl must be PLAIN or SCRAM-SHA-256 or SCRAM-SHA-512, not ''"),
        ("redis://a,b", "it names several servers, as only redis+sentinel:// and redis+cluster:// may"),
        ("redis://a/x", "a database of Redis is a number, not 'x'"),
        ("redis://a?ssl_ca_certs=x", "unknown option 'ssl_ca_certs' (rediss:// has encryption, redis:// has none)"),
        ("redis+cluster://a?nosuch=1", "unknown option 'nosuch'"),
        ("rediss://a?ssl_ca_certs=/nothing", "its options for TLS cannot be used: [Errno 2] No such file"),
        ("rediss+cluster://a?ssl_ca_certs=/nothing", "its options for TLS cannot be used: [Errno 2] No such file"),
        ("rediss+sentinel://a/m?ssl_cert_reqs=maybe", "its options for TLS cannot be used: Invalid SSL Certificate"),
        ("redis+sentinel://a/m/n", "name the service, as in redis+sentinel://host:26379/mymaster"),
        ("redis+cluster://a/x", "a Redis Cluster has no database 'x'"),
        ("postgresql://a/chat?sslmode=maybe", "sslmode must be disable, allow,"),
        ("postgresql://user:pa@ss@a/chat", "special characters of a user, password, path or option"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_with_the_reason(url: str, reason: str) -> None:
    assert refusal(url).startswith(reason)


@pytest.mark.parametrize("url", ["redis:a", "nats", "kafka:", "valkey://a", "kafka+ssl://a", "http://a"])
def test_an_unknown_scheme_is_refused_with_examples(url: str) -> None:
    with pytest.raises(SettingsError, match="BROADCAST_URL must be a URL such as redis://host:6379/0, postgresql://"):
        Settings.from_environment({"SECRET_KEY": SECRET_KEY, "BROADCAST_URL": url})


def test_a_scheme_in_capitals_is_understood() -> None:
    settings = Settings.from_environment({"SECRET_KEY": SECRET_KEY, "BROADCAST_URL": "NATS://User:Pass@Host"})
    assert settings.broadcast_url == "nats://User:Pass@Host"


@pytest.mark.parametrize(
    "url", ["postgresql:///chat?host=/tmp&user=me@there", "postgresql://a,b:5433/chat", "redis://"]
)
def test_unusual_addresses_that_make_sense_are_taken(url: str) -> None:
    create_broadcast(url)


def test_an_address_is_read_with_its_special_characters() -> None:
    url = "amqps://m%40x:p%2Fa%3As%25s%20%C3%BC@[::1]:1,b/%2Fhost%2F"
    address = read_address(url, 5671, has_tls=True)
    assert (address.user, address.password, address.name) == ("m@x", "p/a:s%s ü", "/host/")
    first, second, third = (address.next_host() for _ in range(3))
    assert {first, second} == {("::1", 1), ("b", 5671)}
    assert third == first
