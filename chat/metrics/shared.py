"""The figures of the processes of one `serve`, in files that each writes and all read.

Each process holds a numbered place by a lock, which the kernel releases when the process ends, however that happens.
The next process at a place goes on with its counters, so there are never more files than processes at the same time.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from chat.metrics.figures import Figures, decode

# A file system in memory, where there is one: the files are written once a second.
IN_MEMORY = Path("/dev/shm")  # noqa: S108  the folder in it gets a random name, and is closed to others
PREFIX = "simplechat-metrics-"
OWNER = "serve.lock"


@contextmanager
def shared_folder() -> Iterator[Path]:
    """Make the folder of a `serve`, and remove it at the end. Folders that killed ones left are removed, too.

    Raises `OSError` where there is no place for it.
    """
    base = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    _remove_abandoned(base)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=base) as name:
        descriptor = os.open(Path(name) / "new", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Renamed once it is locked: until then another `serve` would take the folder for an abandoned one.
        (Path(name) / "new").rename(Path(name) / OWNER)
        try:
            yield Path(name)
        finally:
            os.close(descriptor)


def _remove_abandoned(base: Path) -> None:
    for folder in base.glob(f"{PREFIX}*"):
        # Folders of other accounts are closed.
        with suppress(OSError):
            if (folder / OWNER).exists() and not any(_is_held(lock) for lock in folder.glob("*.lock")):
                shutil.rmtree(folder, ignore_errors=True)


class Place:
    """The place of this process among the others in the folder."""

    def __init__(self, folder: Path) -> None:
        """Take the first place that no running process holds."""
        self._folder = folder
        for number in count():
            descriptor = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            self._descriptor = descriptor  # open for as long as the process runs
            self._file = folder / f"{number}.figures"
            break
        self._earlier = Figures()
        if earlier := _read(self._file):
            self._earlier.add_history(earlier)
        self._written = b""

    def write(self, figures: Figures) -> None:
        """Let the other processes read these figures, with the counts of earlier processes at this place."""
        figures.add_history(self._earlier)
        text = figures.encode()
        if text != self._written:
            new = self._file.with_suffix(".new")
            new.write_bytes(text)
            new.replace(self._file)
            self._written = text

    def processes(self) -> Iterator[tuple[Figures, bool]]:
        """Yield the figures at each place, and whether their process runs."""
        for file in sorted(self._folder.glob("*.figures")):
            if (figures := _read(file)) is not None:
                yield figures, file == self._file or _is_held(file.with_suffix(".lock"))


def _read(file: Path) -> Figures | None:
    try:
        return decode(file.read_bytes())
    except (OSError, ValueError, TypeError):
        return None


def _is_held(lock: Path) -> bool:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # Shared, so that two processes that look at the same time do not take each other for its holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
