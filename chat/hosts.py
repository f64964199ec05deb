"""The names and addresses this chat answers to, as a browser puts them into `Host`.

A browser sends the name from its address bar. Any site can point its own name at this machine's address (DNS
rebinding). It could then read a chat that answers to every name, from behind the visitor's firewall.
"""

import re
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from chat.addresses import Address, parse_address

LONGEST = 255  # characters (RFC 1035, 2.3.4)
# Names under these cannot be registered (RFC 6762, RFC 8375, ICANN's resolution on .internal) or sold.
PRIVATE_SUFFIXES = ("local", "lan", "home", "home.arpa", "internal", "localdomain")

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)\.?(?P<port>:[0-9]{1,5})?", re.ASCII)
_PATTERN = re.compile(r"(\*?\.)?[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?", re.ASCII)


def host_name(header: str) -> str | None:
    """Return the name or address in a `Host` header, in lower case and without its port; None if malformed."""
    found = _HOST.fullmatch(header.lower()) if len(header) <= LONGEST else None
    if found is None or ".." in found["name"]:
        return None
    name = found["name"].strip("[]")
    return name if found["name"] == name or parse_address(name) else None


class AllowedHosts:
    """The allowed hosts: loopback, this machine's names and addresses, `PUBLIC_URL`'s, and `ALLOWED_HOSTS`."""

    def __init__(self, patterns: Iterable[str], public_url: str | None) -> None:
        """Combine patterns, as returned by `read_patterns`, with this machine's names and `PUBLIC_URL`'s."""
        self._allows_all = "*" in patterns
        self._suffixes = tuple(pattern for pattern in patterns if pattern.startswith("."))
        self._names = {pattern for pattern in patterns if not pattern.startswith(".")}
        if public_url is not None and (name := host_name(public_url.partition("://")[2])):
            self._names.add(name)
        self._machine = _machine_names(socket.gethostname())
        threading.Thread(target=self._learn_full_name, name="name of this machine", daemon=True).start()

    def allow(self, name: str, connected_to: str | None) -> bool:
        """Tell whether a host is allowed. `connected_to` is the local address of the connection."""
        if self._allows_all or name in self._names or name.endswith(self._suffixes or ("\0",)):
            return True
        address = parse_address(name)
        if address is None:
            return name in self._machine or name == "localhost" or name.endswith(".localhost")
        is_ours = connected_to is not None and address == parse_address(connected_to)
        return is_ours or address.is_loopback or str(address) in self._names or _is_this_machines(address)

    def _learn_full_name(self) -> None:
        # The resolver may take seconds without a network.
        self._machine |= {socket.getfqdn().lower().rstrip(".")} - {""}


def read_patterns(text: str) -> tuple[str, ...]:
    """Read names, addresses, `*.example.org` and `*`, separated by commas; raises `ValueError` for anything else."""
    return tuple(_pattern(part) for part in text.split(",") if part.strip())


def _pattern(text: str) -> str:
    text = text.strip().lower()
    if text == "*":
        return text
    if address := parse_address(text.strip("[]")):
        return str(address)
    text = text.removesuffix(".")
    if not _PATTERN.fullmatch(text) or ".." in text:
        raise ValueError(f"{text!r} is not a name")
    return text.removeprefix("*")


def _machine_names(hostname: str) -> set[str]:
    full = hostname.lower().rstrip(".")
    short = full.partition(".")[0]
    return {full, short, *(f"{short}.{suffix}" for suffix in (*PRIVATE_SUFFIXES, *_search_domains()))} - {""}


def _search_domains() -> list[str]:
    """Return the search domains of this machine's resolver."""
    with suppress(OSError):
        lines = [line.split() for line in Path("/etc/resolv.conf").read_text(errors="replace").splitlines()]
        words = [word for line in lines if line[:1] in (["search"], ["domain"]) for word in line[1:]]
        return [word.lower().strip(".") for word in words if word.strip(".")]
    return []


def _is_this_machines(address: Address) -> bool:
    """Tell whether an interface of this machine has the address now: the kernel lets a process listen only on these."""
    if address.is_unspecified or address.is_multicast:
        return False
    try:
        with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
