"""How many files and sockets the process may have open, and how many of them connections may take."""

import resource
from contextlib import suppress

# Connections to the database and the broker, pipes to helping processes, static files that are being sent.
RESERVED = 100
LARGEST_BACKLOG = 2048
FEWEST = 50
# What "no limit" is taken for; some systems refuse more than the second.
ENOUGH = (1_048_576, 10_240)


def raise_file_limit() -> int:
    """Raise the limit of open files as far as the system lets us, and return it."""
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
    """How many connections may wait to be accepted. All of them may be, before the first of them is looked at."""
    return max(16, min(LARGEST_BACKLOG, files // 4))


def most_connections(files: int) -> int:
    """How many connections may be open, so that none is ever accepted without a file for it."""
    return max(FEWEST, files - RESERVED - backlog(files))
