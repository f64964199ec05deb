"""Ports nobody uses."""

import random
import socket

# Below those that systems give to outgoing connections, of which the tests have thousands.
_PORTS = range(10_000, 30_000)


def free_port() -> int:
    """A port that is free on this machine right now."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
