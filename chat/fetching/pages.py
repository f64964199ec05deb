"""Reads pages, in a process for each, so that a hostile one harms nobody (`chat.fetching.page_worker`)."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from chat.fetching.fetch import Fetched
from chat.fetching.guard import NotFetched
from chat.fetching.page_worker import Page

AT_ONCE = 2
SECONDS = 20.0  # of wall time; the worker's own limit is of CPU time

_ROOT = Path(__file__).resolve().parents[2]


class Pages:
    """Reads the metadata of pages."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)

    async def read(self, fetched: Fetched) -> Page:
        """Return the metadata of a page; raises `NotFetched` if it cannot be read in time."""
        async with self._free:
            process = await _start(fetched)
            try:
                async with asyncio.timeout(SECONDS):
                    output, _ = await process.communicate(fetched.content)
            except TimeoutError as error:
                raise NotFetched("reading it takes too long") from error
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if not output.endswith(b"\n"):
            raise NotFetched("it cannot be read")
        page: Page = json.loads(output)
        return page


async def _start(fetched: Fetched) -> asyncio.subprocess.Process:
    # It gets no environment: a process that parses hostile pages must know no secret.
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chat.fetching.page_worker",
        fetched.address,
        fetched.charset,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=_ROOT,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
