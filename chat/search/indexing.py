"""Keeping what is searched in step with the messages, a moment after them."""

import logging

import anyio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.errors import DatabaseUnavailable

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
_ONE_AT_A_TIME = text("SELECT pg_try_advisory_xact_lock(7463921)")

# A room's revisions have no gaps and are in commit order, so what has changed since the one that was reached last is
# all there is to do, whoever did it and whatever was killed meanwhile. `chat.search.folding` folds what people type
# in the same way.
_CATCH_UP = text(r"""
    WITH behind AS (
        SELECT rooms.id, coalesce(search_progress.revision, 0) AS reached
        FROM rooms LEFT JOIN search_progress ON search_progress.room_id = rooms.id
        WHERE rooms.revision > coalesce(search_progress.revision, 0)
        LIMIT 10
    ), changed AS (
        SELECT message.* FROM behind, LATERAL (
            SELECT * FROM messages WHERE room_id = behind.id AND revision > reached ORDER BY revision LIMIT 1000
        ) AS message
    ), gone AS (
        DELETE FROM searchable USING changed WHERE message_id = changed.id AND deleted_at IS NOT NULL
    ), kept AS (
        INSERT INTO searchable (message_id, room_id, author_id, posted_at, has_link, text)
        SELECT id, room_id, author_id, created_at,
            coalesce(body_html LIKE '%<a href="http%', body ~ 'https?://'),
            normalize(regexp_replace(normalize(lower(body), NFKD), '[\u0300-\u036f]', '', 'g'), NFKC)
        FROM changed WHERE deleted_at IS NULL
        ON CONFLICT (message_id) DO UPDATE SET text = excluded.text, has_link = excluded.has_link
        WHERE searchable.text <> excluded.text OR searchable.has_link <> excluded.has_link
    )
    INSERT INTO search_progress (room_id, revision)
    SELECT room_id, max(revision) FROM changed GROUP BY room_id
    ON CONFLICT (room_id) DO UPDATE SET revision = excluded.revision
""")


class Indexing:
    """Makes new and changed messages searchable. `run` must be running, in one process or in all of them."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def run(self) -> None:
        """Catch up again and again until cancelled."""
        while True:
            try:
                while await self._catch_up():
                    pass
            except DatabaseUnavailable as error:
                logger.warning("Could not make new messages searchable: %s", error)
            await anyio.sleep(PAUSE_SECONDS)

    async def _catch_up(self) -> bool:
        """Take a step; whether there was one to take."""
        async with self._database.begin() as connection:
            if not (await connection.execute(_ONE_AT_A_TIME)).scalar_one():
                return False
            return (await connection.execute(_CATCH_UP)).rowcount > 0
