"""Reading the URLs of servers, which administrators write. No error shows a part of a password."""

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

Host = tuple[str, int]

ENCODE = (
    "special characters of a user, password, path or option must be percent-encoded: "
    "/ is %2F, ? is %3F, # is %23, @ is %40, % is %25"
)
_NAME = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]+(%\w+)?")  # or an IPv6 address
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def split_url(url: str) -> SplitResult:
    """Split a URL; raises `ValueError`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("the brackets of an IPv6 address do not match") from None
    # Otherwise the rest of a password would be read as the path or the options.
    names = [option.partition("=")[0] for option in parts.query.split("&")]
    if "#" in url or ("@" not in parts.netloc and any("@" in text for text in (parts.path, *names))):
        raise ValueError(ENCODE)
    return parts


def hosts_of(netloc: str, port: int) -> tuple[Host, ...]:
    """Read `user:password@host:port,host:port`; a host without a port has this one. Raises `ValueError`."""
    return tuple(_host_of(text, port) for text in netloc.rpartition("@")[2].split(","))


def check_postgres_url(url: str) -> None:
    """Raise `ValueError` if asyncpg could not read an address of PostgreSQL."""
    parts = split_url(url)
    if parts.netloc.count("@") > 1:
        raise ValueError(ENCODE)
    if parts.netloc.rpartition("@")[2]:  # without, it is on a socket of this machine
        hosts_of(parts.netloc, 5432)
    mode = dict(parse_qsl(parts.query)).get("sslmode", "prefer")
    if mode not in _SSL_MODES:
        raise ValueError(f"sslmode must be {', '.join(_SSL_MODES[:-1])} or {_SSL_MODES[-1]}, not {mode!r}")


def _host_of(text: str, port: int) -> Host:
    try:
        parts = urlsplit(f"//{text}")
    except ValueError:
        parts = urlsplit("")
    name = parts.hostname or ""
    if not _NAME.fullmatch(name):
        brackets = " (an IPv6 address needs brackets, as in [::1]:80)" if ":" in text else ""
        raise ValueError(f"{text.partition(':')[0]!r} is no host{brackets}")
    try:
        number = parts.port
    except ValueError:
        number = 0
    if number == 0:
        raise ValueError(f"the port of {name!r} must be a number from 1 to 65535")
    return name, number or port
