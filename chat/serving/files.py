"""The limit of open files and sockets, and the part of it for connections."""

import resource
from contextlib import suppress

# Connections to the database and the broker, pipes to worker processes, static files being sent.
RESERVED = 100
LARGEST_BACKLOG = 2048
FEWEST = 50
# The values used for "no limit"; some systems refuse more than the second.
ENOUGH = (1_048_576, 10_240)


def raise_file_limit() -> int:
    """Raise the limit of open files as far as the system allows, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else (hard,)
    for number in wanted:
        if soft == resource.RLIM_INFINITY or number <= soft:
            break
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
            break
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH[0] if soft == resource.RLIM_INFINITY else soft


def backlog(files: int) -> int:
    """Return the listener's backlog. All of it may be accepted before the first connection is handled."""
    return max(16, min(LARGEST_BACKLOG, files // 4))


def most_connections(files: int) -> int:
    """Return how many connections may be open, so that each accepted one has a file."""
    return max(FEWEST, files - RESERVED - backlog(files))
