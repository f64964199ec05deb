"""The store after the torture: it holds the files of all messages, and nothing that the chat has forgotten."""

import asyncio
from pathlib import Path
from uuid import UUID

import asyncpg

from tests.torture.writers import Writer

# Deleted files are looked for every two seconds, by every process.
TIDYING_SECONDS = 20.0


async def check_files(url: str, store: Path, writers: list[Writer]) -> list[str]:
    """Return what is wrong with the files of acknowledged messages, and with the store."""
    connection = await asyncpg.connect(url)
    try:
        deadline = asyncio.get_running_loop().time() + TIDYING_SECONDS
        while await connection.fetchval("SELECT count(*) FROM stray_objects WHERE due_at <= now()"):
            if asyncio.get_running_loop().time() > deadline:
                return ["objects of deleted files are still in the store"]
            await asyncio.sleep(0.1)
        rows = await connection.fetch("SELECT message_id, object, pieces FROM files ORDER BY message_id, place")
        strays = {row["key"] for row in await connection.fetch("SELECT key FROM stray_objects")}
    finally:
        await connection.close()
    expected = {message: [file] for writer in writers for message, file in writer.files.items()}
    return await asyncio.to_thread(_compare, store, rows, strays, expected)


def _compare(store: Path, rows: list[asyncpg.Record], strays: set[UUID], expected: dict[int, list[bytes]]) -> list[str]:
    stored = {UUID(path.name): path for path in store.glob("??/*")}
    unfinished = {UUID(path.name) for path in store.glob("incoming/*")}
    needed = {key for row in rows for key in (row["object"], *row["pieces"]) if key}
    wrong = [f"not in the store: {key}" for key in needed - stored.keys()]
    wrong += [f"in the store, but forgotten: {key}" for key in (stored.keys() | unfinished) - needed - strays]
    found: dict[int, list[bytes]] = {}
    for row in rows:
        if row["message_id"] and row["object"] in stored:
            found.setdefault(row["message_id"], []).append(stored[row["object"]].read_bytes())
    wrong += [f"message {message}: other files" for message in expected if found.get(message) != expected[message]]
    return wrong
