"""A private PostgreSQL for the whole run, and a fresh migrated database for each test that needs it."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import asyncpg

from chat.database import embedded
from chat.database.migrate import migrate

Result = TypeVar("Result")

VARIABLE = "SIMPLECHAT_TEST_DATABASE_URL"
FOLDER = "SIMPLECHAT_TEST_FOLDER"
TEMPLATE = embedded.DATABASE

# A folder in memory, and the room that databases may need there: copying one to a disk costs more than most tests do.
MEMORY, ROOM = Path("/dev/shm"), 4 * 2**30

# The durability of commits is the subject of the torture tests, which run a server of their own.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "400"}


def start_cluster() -> ExitStack:
    """Start the server and migrate the template database; its URL is handed on in the environment."""
    stack = ExitStack()
    folder = new_folder("simplechat-tests-")
    folder.chmod(0o755)
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    url = stack.enter_context(embedded.postgres(folder, options=FAST))
    migrate(url)
    os.environ[VARIABLE], os.environ[FOLDER] = url, str(folder)
    return stack


def new_folder(prefix: str) -> Path:
    """Create a folder for databases, in memory if there is enough."""
    has_room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if has_room else None))


@contextmanager
def fresh_database(template: str = TEMPLATE) -> Iterator[str]:
    """The URL of a copy of a database; by default, of all tables with nothing in them."""
    name = f"test_{secrets.token_hex(6)}"
    run(create_database(name, template))
    try:
        yield url_of(name)
    finally:
        run(execute(admin_url(), f"DROP DATABASE {name} WITH (FORCE)"))


async def create_database(name: str, template: str) -> None:
    """Copy a database that has no connections, file by file: without fsync that is faster than through the WAL."""
    await execute(admin_url(), f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")


def admin_url() -> str:
    """The URL of the server's own database."""
    return url_of("postgres")


def url_of(database: str) -> str:
    """The URL of a database of the server."""
    return os.environ[VARIABLE].replace(f"/{TEMPLATE}?", f"/{database}?")


async def execute(url: str, statement: str, *arguments: object) -> None:
    """Run a statement."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()


def query(url: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
    """The rows of a query."""

    async def fetch() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    return run(fetch())


def run(work: Coroutine[object, None, Result]) -> Result:
    """Run a coroutine in a thread: Playwright's own event loop occupies the thread of browser tests."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
