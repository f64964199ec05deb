"""Deletes sessions that ended long ago. Every process does so once an hour."""

import logging
from datetime import UTC, datetime

import anyio
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.accounts.sessions import DELETED_AT_ONCE, delete_ended_sessions
from chat.errors import DatabaseUnavailable

logger = logging.getLogger(__name__)

EVERY_SECONDS = 3600.0


class Tidying:
    """Deletes ended sessions once an hour, in batches, while `run` is running."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def run(self) -> None:
        """Tidy up at the start, and every hour from then on, until cancelled."""
        while True:
            try:
                await self._tidy_up()
            except DatabaseUnavailable as error:
                logger.warning("Could not delete old sessions, and will try again: %s", error)
            await anyio.sleep(EVERY_SECONDS)

    async def _tidy_up(self) -> None:
        deleted = DELETED_AT_ONCE
        while deleted == DELETED_AT_ONCE:
            async with self._database.begin() as connection:
                deleted = await delete_ended_sessions(connection, datetime.now(UTC))
