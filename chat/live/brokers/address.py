"""The addresses of NATS, RabbitMQ and Kafka: `scheme://user:password@host:port,host:port/name?ca=/path/ca.pem`."""

import itertools
import random
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

from chat.urls import Host, hosts_of, split_url

NAME = "simplechat"  # of subjects, exchange and topic, if the address has none


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's servers, any of which will do, and how to sign in to them."""

    hosts: Iterator[Host]  # in turn, for ever
    user: str | None
    password: str | None
    name: str
    tls: ssl.SSLContext | None
    options: Mapping[str, str]

    def next_host(self) -> Host:
        """Return another server than the last time, if there are several."""
        return next(self.hosts)


def read_address(
    url: str,
    port: int,
    *,
    has_tls: bool,
    has_tokens: bool = False,
    names: re.Pattern[str] | None = None,
    more: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Address:
    """Read a URL whose hosts have this port unless it names another; raises `ValueError`.

    A user without a password is a token where there are tokens. `names` are the names that the path may have, and
    `more` are options besides `ca` and `verify`, each with the values it takes.
    """
    parts = split_url(url)
    hosts = hosts_of(parts.netloc, port)
    credentials = parts.netloc.rpartition("@")[0]
    user, _, password = map(unquote, credentials.partition(":"))
    if password and not user:
        raise ValueError("the password needs a user")
    if user and not password and not has_tokens:
        raise ValueError(f"the user {user!r} needs a password")
    name = unquote(parts.path.strip("/"))
    if "/" in parts.path.strip("/") or (name and names and not names.fullmatch(name)):
        raise ValueError(f"the path cannot be {name!r} (a / within a name is written %2F)")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    _check_options(options, parts.scheme, {**({"ca": (), "verify": ("yes", "no")} if has_tls else {}), **more})
    # Processes begin with different servers.
    turns = itertools.cycle(random.sample(hosts, len(hosts)))
    return Address(turns, user or None, password or None, name, _tls(options) if has_tls else None, options)


def _check_options(options: Mapping[str, str], scheme: str, known: Mapping[str, tuple[str, ...]]) -> None:
    for name, value in options.items():
        if name not in known:
            encrypted = "" if "ca" in known else f"; {scheme}:// has no encryption"
            raise ValueError(f"unknown option {name!r} (known: {' and '.join(known) or 'none'}{encrypted})")
        if known[name] and value not in known[name]:
            raise ValueError(f"{name} must be {' or '.join(known[name])}, not {value!r}")


def _tls(options: Mapping[str, str]) -> ssl.SSLContext:
    """Check certificates by the system's authorities or by the file `ca`; `verify=no` accepts any."""
    if options.get("ca") == "":
        raise ValueError("ca= names no file")
    try:
        context = ssl.create_default_context(cafile=options.get("ca"))
    except OSError as error:
        raise ValueError(f"ca={options['ca']} cannot be read: {error}") from None
    if options.get("verify") == "no":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
