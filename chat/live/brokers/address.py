"""The addresses of NATS, RabbitMQ and Kafka: `scheme://user:password@host:port,host:port/name?ca=/path/ca.pem`."""

import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urlsplit

NAME = "simplechat"  # of subjects, exchange and topic, if the address has none


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's servers, any of which will do, and how to sign in to them."""

    hosts: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None
    name: str
    tls: ssl.SSLContext | None
    options: Mapping[str, str]

    def any_host(self) -> tuple[str, int]:
        """Pick a server at random, so that the next attempt goes to another."""
        return random.choice(self.hosts)  # noqa: S311  no secret


def read_address(
    url: str, port: int, *, has_tls: bool, more: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> Address:
    """Read a URL whose hosts have this port unless it names another; raises `ValueError`.

    `more` are options besides `ca` and `verify`, each with the values it takes.
    """
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = [*(("ca", "verify") if has_tls else ()), *more]
    for name, value in options.items():
        if name not in known:
            encrypted = "" if has_tls else f"; {parts.scheme}:// has no encryption"
            raise ValueError(f"unknown option {name!r} (known: {' and '.join(known) or 'none'}{encrypted})")
        if name in more and value not in more[name]:
            raise ValueError(f"{name} must be {' or '.join(more[name])}, not {value!r}")
    return Address(
        tuple(host_of(host, port) for host in hosts.split(",")),
        unquote(user) or None,
        unquote(password) or None,
        unquote(parts.path.strip("/")),
        _tls(options) if has_tls else None,
        options,
    )


def host_of(text: str, port: int) -> tuple[str, int]:
    """Read `host:port`, whose port may be missing; raises `ValueError`."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(f"{text!r} is no host")
    try:
        return parts.hostname, parts.port or port
    except ValueError:
        raise ValueError(f"{text!r} has no port from 1 to 65535") from None


def _tls(options: dict[str, str]) -> ssl.SSLContext:
    """Check certificates by the system's authorities or by the file `ca`; `verify=no` accepts any."""
    try:
        context = ssl.create_default_context(cafile=options.get("ca"))
    except OSError as error:
        raise ValueError(f"ca={options['ca']} cannot be read: {error}") from None
    match options.get("verify", "yes"):
        case "no":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        case "yes":
            pass
        case other:
            raise ValueError(f"verify must be yes or no, not {other!r}")
    return context
