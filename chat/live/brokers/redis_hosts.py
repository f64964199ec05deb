"""The addresses of several Redis servers: `redis+cluster://user:password@host:port,host:port/name?option=value`."""

from chat.urls import Host, hosts_of, split_url


def redis_hosts(url: str, port: int) -> tuple[list[Host], str, str]:
    """Return the hosts, an address of the first that redis-py understands, and the name in the path.

    Raises `ValueError`.
    """
    parts = split_url(url)
    credentials, at, _ = parts.netloc.rpartition("@")
    found = hosts_of(parts.netloc, port)
    scheme = parts.scheme.partition("+")[0]
    first = f"[{found[0][0]}]" if ":" in found[0][0] else found[0][0]
    options = f"?{parts.query}" if parts.query else ""
    return [*found], f"{scheme}://{credentials}{at}{first}:{found[0][1]}{options}", parts.path.strip("/")
