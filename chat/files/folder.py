"""A store in a folder.

No file stays open while the chat waits for a client. Otherwise slow clients would use up the descriptors, which also
bound the connections.
"""

import errno
import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from chat.files.store import StoreFull, StoreUnavailable
from chat.memory import KILOBYTE, MEGABYTE

WRITTEN_AT_ONCE = 256 * KILOBYTE  # a hop to a thread costs as much as writing some ten kilobytes
READ_AT_ONCE = 128 * KILOBYTE
THREADS = 8  # a disk does no more at a time, and passwords are hashed in threads as well
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Folder:
    """A folder of objects: `ab/ab12…`. New ones are written as `incoming/ab12…`, and moved when they are on disk.

    If a process is killed meanwhile, `delete` finds the unfinished file by its key.
    """

    piece_bytes = 16 * MEGABYTE

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = CapacityLimiter(THREADS)

    async def put(self, key: UUID, content: AsyncIterable[bytes]) -> int:
        """Keep a new object, as `Store.put` does."""
        with _explained():
            incoming = await run_sync(self._new_file, key, limiter=self._threads)
            try:
                written = await self._write(incoming, content)
                await run_sync(_keep, incoming, self._place(key), limiter=self._threads)
            except BaseException:
                incoming.unlink(missing_ok=True)
                raise
        return written

    async def read(self, key: UUID, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read an object, as `Store.read` does."""
        with _explained():
            place = self._place(key)
            if end is None:
                end = (await run_sync(place.stat, limiter=self._threads)).st_size
            while start < end:
                chunk = await run_sync(_read, place, start, min(end - start, READ_AT_ONCE), limiter=self._threads)
                if not chunk:
                    raise StoreUnavailable(f"{key} is shorter than it was")
                start += len(chunk)
                yield chunk

    async def has(self, key: UUID) -> bool:
        """Tell whether there is such an object."""
        with _explained():
            return await run_sync(self._place(key).exists, limiter=self._threads)

    async def check(self) -> None:
        """Look whether the folder is there or can be made, and can be written to."""
        with _explained():
            await run_sync(self._check, limiter=self._threads)

    async def delete(self, key: UUID) -> None:
        """Delete an object, as `Store.delete` does."""
        with _explained():
            await run_sync(self._remove, key, limiter=self._threads)

    def path_of(self, key: UUID) -> str | None:
        """Return the path of an object within the folder."""
        return f"{key.hex[:2]}/{key.hex}"

    async def link_to(self, key: UUID, seconds: int) -> str | None:
        """Return None: nobody but the chat reads the folder."""
        return None

    def _place(self, key: UUID) -> Path:
        return self._path / key.hex[:2] / key.hex

    def _incoming(self, key: UUID) -> Path:
        return self._path / "incoming" / key.hex

    def _check(self) -> None:
        place = self._path.absolute()
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))

    def _new_file(self, key: UUID) -> Path:
        path = self._incoming(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        return path

    def _remove(self, key: UUID) -> None:
        for path in (self._place(key), self._incoming(key)):
            path.unlink(missing_ok=True)

    async def _write(self, path: Path, content: AsyncIterable[bytes]) -> int:
        written, waiting = 0, bytearray()
        async for chunk in content:
            waiting += chunk
            if len(waiting) >= WRITTEN_AT_ONCE:
                written += await run_sync(_append, path, bytes(waiting), limiter=self._threads)
                waiting.clear()
        return written + await run_sync(_append, path, bytes(waiting), limiter=self._threads)


def _append(path: Path, data: bytes) -> int:
    rest = memoryview(data)
    with _opened(path, os.O_WRONLY | os.O_APPEND) as descriptor:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    return len(data)


def _read(path: Path, start: int, most: int) -> bytes:
    with _opened(path, os.O_RDONLY) as descriptor:
        return os.pread(descriptor, most, start)


def _keep(incoming: Path, place: Path) -> None:
    _sync(incoming)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    incoming.rename(place)
    _sync(place.parent)


def _sync(path: Path) -> None:
    with _opened(path, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = StoreFull if error.errno in _FULL else StoreUnavailable
        raise kind(str(error)) from error
