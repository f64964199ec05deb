"""The store of files: a folder, or a bucket of anything that speaks S3.

The chat chooses a random number as an object's key, never a name. An object is whole or absent, and never changes.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Protocol
from uuid import UUID

import anyio


class StoreUnavailable(Exception):
    """The store does not answer, or has lost an object."""


class StoreFull(StoreUnavailable):
    """The store has no space left."""


class Store(Protocol):
    """Keeps objects by key. Every method raises `StoreUnavailable`."""

    piece_bytes: int  # the most of an upload that is put as one object

    async def put(self, key: UUID, content: AsyncIterable[bytes]) -> int:
        """Keep a new object and return its bytes. If `content` fails, nothing is kept. Raises `StoreFull`."""

    def read(self, key: UUID, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read an object in chunks, from byte `start` up to byte `end`, which is not read."""

    async def has(self, key: UUID) -> bool:
        """Tell whether there is such an object."""

    async def check(self) -> None:
        """Look whether objects can be kept here, as far as that shows without keeping one."""

    async def delete(self, key: UUID) -> None:
        """Delete an object; one that is not there is no error."""

    def path_of(self, key: UUID) -> str | None:
        """Return the path of an object within the folder of the store; None if it is no folder."""

    async def link_to(self, key: UUID, seconds: int) -> str | None:
        """Return an address that gives everybody an object for some seconds; None if the store has no addresses."""


async def obstacle(store: Store, seconds: float) -> str:
    """Return why files cannot be kept now, in one line; "" if they can, as far as `Store.check` sees it in time."""
    try:
        with anyio.fail_after(seconds):
            await store.check()
    except (StoreUnavailable, TimeoutError) as error:
        return str(error) or "it does not answer"
    return ""
