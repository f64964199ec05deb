"""Prepares pictures, in a process for each, so that a hostile one harms nobody (`chat.files.picture_worker`)."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from chat.files.prepared import Crop, Prepared, Shape

AT_ONCE = 2
SECONDS = 60.0  # of wall time; the worker's own limit is of CPU time
CHUNK_BYTES = 128 * 1024
PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/heic"})

logger = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that has been prepared: its values, and the keys of its objects in the store."""

    kind: str
    width: int
    height: int
    colour: str
    is_animated: bool
    bytes: int
    objects: tuple[UUID, ...]  # the picture and its thumbnails, if it is larger than they are; or two squares


@dataclass(frozen=True, slots=True)
class Square:
    """A square picture in the store: the keys of its two sizes."""

    small: UUID
    large: UUID


class _NoPicture(Exception):
    """The worker has failed; the text says why, if it said so."""


class Pictures:
    """Prepares pictures. A file that the worker cannot read in time is no picture, but a file like any other."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)

    async def prepared(
        self,
        content: AsyncIterable[bytes],
        put: Callable[[AsyncIterable[bytes]], Awaitable[UUID]],
        shape: Shape = "whole",
        crop: Crop | None = None,
    ) -> Picture | None:
        """Prepare a picture and put its parts into the store; returns None if `content` is no picture."""
        async with self._free:
            process = await _start(shape, *map(str, crop or ()))
            try:
                async with asyncio.timeout(SECONDS):
                    return await _ask(process, content, put)
            except (_NoPicture, TimeoutError) as error:
                logger.info("A file is no picture that can be shown: %s", error)
                return None
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    # It gets no environment: a process that parses hostile files must know no secret.
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chat.files.picture_worker",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=_ROOT,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


async def _ask(
    process: asyncio.subprocess.Process,
    content: AsyncIterable[bytes],
    put: Callable[[AsyncIterable[bytes]], Awaitable[UUID]],
) -> Picture:
    assert process.stdin is not None
    assert process.stdout is not None
    await _write(process.stdin, content)
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise _NoPicture("it is damaged, too large, or takes too long")
    made: Prepared = json.loads(line)
    objects = []
    for length in made["parts"]:
        async with aclosing(_read(process.stdout, length)) as part:
            objects.append(await put(part))
    return Picture(
        kind=made["kind"],
        width=made["width"],
        height=made["height"],
        colour=made["colour"],
        is_animated=made["is_animated"],
        bytes=made["parts"][0],
        objects=tuple(objects),
    )


async def _write(stream: asyncio.StreamWriter, content: AsyncIterable[bytes]) -> None:
    try:
        async for chunk in content:
            stream.write(chunk)
            await stream.drain()
        stream.close()
    except (BrokenPipeError, ConnectionResetError) as error:
        raise _NoPicture("the worker has ended") from error


async def _read(stream: asyncio.StreamReader, length: int) -> AsyncGenerator[bytes, None]:
    while length:
        chunk = await stream.read(min(length, CHUNK_BYTES))
        if not chunk:
            raise _NoPicture("the worker has ended")
        length -= len(chunk)
        yield chunk
