"""A store in a folder."""

import errno
import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
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
            file = await run_sync(self._new_file, key, limiter=self._threads)
            try:
                written = await self._write(file, content)
                await run_sync(self._keep, file, self._place(key), limiter=self._threads)
            except BaseException:
                _discard(file)
                raise
        return written

    async def read(self, key: UUID, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read an object, as `Store.read` does."""
        with _explained():
            file = await run_sync(self._open, key, start, limiter=self._threads)
            try:
                left = os.fstat(file.fileno()).st_size - start if end is None else end - start
                while left > 0:
                    chunk = await run_sync(file.read, min(left, READ_AT_ONCE), limiter=self._threads)
                    if not chunk:
                        raise StoreUnavailable(f"{key} is shorter than it was")
                    left -= len(chunk)
                    yield chunk
            finally:
                file.close()

    async def has(self, key: UUID) -> bool:
        """Tell whether there is such an object."""
        with _explained():
            return await run_sync(self._place(key).exists, limiter=self._threads)

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

    def _new_file(self, key: UUID) -> BinaryIO:
        path = self._incoming(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        return path.open("wb", buffering=0)

    def _remove(self, key: UUID) -> None:
        for path in (self._place(key), self._incoming(key)):
            path.unlink(missing_ok=True)

    def _open(self, key: UUID, start: int) -> BinaryIO:
        file = self._place(key).open("rb", buffering=0)
        file.seek(start)
        return file

    async def _write(self, file: BinaryIO, content: AsyncIterable[bytes]) -> int:
        written, waiting = 0, bytearray()
        async for chunk in content:
            waiting += chunk
            if len(waiting) >= WRITTEN_AT_ONCE:
                written += await run_sync(_write_all, file, bytes(waiting), limiter=self._threads)
                waiting.clear()
        return written + await run_sync(_write_all, file, bytes(waiting), limiter=self._threads)

    def _keep(self, file: BinaryIO, place: Path) -> None:
        os.fsync(file.fileno())
        file.close()
        place.parent.mkdir(mode=0o700, exist_ok=True)
        Path(file.name).rename(place)
        _sync(place.parent)


def _write_all(file: BinaryIO, data: bytes) -> int:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    return len(data)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(file: BinaryIO) -> None:
    with suppress(OSError):
        file.close()
    Path(file.name).unlink(missing_ok=True)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = StoreFull if error.errno in _FULL else StoreUnavailable
        raise kind(str(error)) from error
