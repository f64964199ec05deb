"""The addresses of several Redis servers: `redis+cluster://user:password@host:port,host:port/name?option=value`."""

from urllib.parse import urlsplit

from chat.live.brokers.address import host_of

Host = tuple[str, int]


def redis_hosts(url: str, port: int) -> tuple[list[Host], str, str]:
    """Return the hosts, an address of the first that redis-py understands, and the name in the path.

    Raises `ValueError`.
    """
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    found = [host_of(host, port) for host in hosts.split(",")]
    scheme = parts.scheme.partition("+")[0]
    first = f"[{found[0][0]}]" if ":" in found[0][0] else found[0][0]
    options = f"?{parts.query}" if parts.query else ""
    return found, f"{scheme}://{credentials}{at}{first}:{found[0][1]}{options}", parts.path.strip("/")
