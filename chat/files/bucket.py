"""A store in a bucket of anything that speaks S3."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import anyio
import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from chat.files.store import StoreUnavailable
from chat.memory import KILOBYTE, MEGABYTE

if TYPE_CHECKING:
    from obstore import Attributes, GetOptions
    from obstore.store import S3Config

PART_BYTES = 5 * MEGABYTE  # S3 takes no smaller parts, except the last
LARGE_AT_ONCE = 2  # objects in parts: each holds about three parts in memory
READ_AT_ONCE = 256 * KILOBYTE
TIMEOUT = timedelta(seconds=30)
# The store's own answer to a browser that follows a link: nothing opens in the page.
_SAFE: "Attributes" = {
    "Content-Disposition": "attachment",
    "Content-Type": "application/octet-stream",
}


class Bucket:
    """A bucket of objects: `prefix/ab12…`. Credentials come from the environment, as for Amazon's own tools."""

    piece_bytes = MEGABYTE  # it is held in memory, because S3 must know an object's length beforehand

    def __init__(self, name: str, prefix: str, options: Mapping[str, str]) -> None:
        endpoint = options.get("endpoint")
        self._prefix = f"{prefix}/" if prefix else ""
        config: S3Config = {"region": options.get("region", "us-east-1")}
        if endpoint:
            config["endpoint"] = endpoint
        self._bucket = S3Store(
            name,
            config=config,
            client_options={"allow_http": bool(endpoint and endpoint.startswith("http:")), "timeout": TIMEOUT},
            retry_config={"max_retries": 3, "retry_timeout": TIMEOUT},
        )
        self._large = anyio.Semaphore(LARGE_AT_ONCE)

    async def put(self, key: UUID, content: AsyncIterable[bytes]) -> int:
        """Keep a new object, as `Store.put` does."""
        chunks = aiter(content)
        beginning = bytearray()
        async for chunk in chunks:
            beginning += chunk
            if len(beginning) > self.piece_bytes:
                async with self._large:
                    return await self._put_parts(key, bytes(beginning), chunks)
        with _explained():
            await obstore.put_async(self._bucket, self._name(key), beginning, attributes=_SAFE, use_multipart=False)
        return len(beginning)

    async def _put_parts(self, key: UUID, beginning: bytes, rest: AsyncIterator[bytes]) -> int:
        written = 0

        async def everything() -> AsyncIterator[bytes]:
            nonlocal written
            written = len(beginning)
            yield beginning
            async for chunk in rest:
                written += len(chunk)
                yield chunk

        with _explained():
            await obstore.put_async(
                self._bucket,
                self._name(key),
                everything(),
                attributes=_SAFE,
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=1,
            )
        return written

    async def read(self, key: UUID, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read an object, as `Store.read` does."""
        if end is not None and end <= start:
            return
        with _explained():
            options: GetOptions = {"range": {"offset": start} if end is None else (start, end)} if start or end else {}
            found = await obstore.get_async(self._bucket, self._name(key), options=options)
            async for chunk in found.stream(min_chunk_size=READ_AT_ONCE):
                yield bytes(chunk)

    async def has(self, key: UUID) -> bool:
        """Tell whether there is such an object."""
        with _explained():
            try:
                await obstore.head_async(self._bucket, self._name(key))
            except FileNotFoundError:
                return False
            return True

    async def check(self) -> None:
        """Look whether the bucket answers, and takes the credentials."""
        with _explained():
            try:
                await obstore.get_async(self._bucket, self._name(uuid4()))
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise

    async def delete(self, key: UUID) -> None:
        """Delete an object, as `Store.delete` does."""
        with _explained(), suppress(FileNotFoundError):
            await obstore.delete_async(self._bucket, self._name(key))

    def path_of(self, key: UUID) -> str | None:
        """Return None: a bucket is no folder."""
        return None

    async def link_to(self, key: UUID, seconds: int) -> str | None:
        """Return an address signed for some seconds."""
        with _explained():
            return await obstore.sign_async(self._bucket, "GET", self._name(key), timedelta(seconds=seconds))

    def _name(self, key: UUID) -> str:
        return self._prefix + key.hex


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        # Further lines of its text hold the structure of the error, or the store's answer.
        reason = str(error).partition("\n")[0][:300]
        raise StoreUnavailable(f"{type(error).__name__}: {reason}") from error
