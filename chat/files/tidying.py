"""Deletes objects of deleted files from the store, and uploads that belong to no message after a day."""

import logging
from datetime import timedelta

import anyio
from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat.beat import beat_or_rest
from chat.database.direct import DirectStatement
from chat.database.questions import Question, Questions
from chat.derived_tables import stray_objects
from chat.errors import DatabaseUnavailable
from chat.files.store import Store, StoreUnavailable, obstacle
from chat.models import files

EVERY_SECONDS = 2.0
AT_ONCE = 100
LIFETIME = timedelta(days=1)
LONGEST_PAUSE = timedelta(hours=1)
CHECK_SECONDS = 10.0
DELETE_SECONDS = 3.0  # less than a transaction may be idle (database/poolers.py)

_DUE = stray_objects.c.due_at <= func.now()
_IS_ABANDONED = files.c.message_id.is_(None) & (files.c.created_at < func.now() - LIFETIME)
_IS_ANY_DUE = Question(exists().where(_DUE) | exists().where(_IS_ABANDONED))
_ABANDONED = select(files.c.id).where(_IS_ABANDONED).limit(AT_ONCE).with_for_update(skip_locked=True)
# Discards uploads, and returns an object that is due.
_TIDY = DirectStatement(
    select(stray_objects.c.key)
    .where(_DUE)
    .order_by(stray_objects.c.due_at)
    .limit(1)
    .add_cte(delete(files).where(files.c.id.in_(_ABANDONED)).cte("discarded"))
)

logger = logging.getLogger(__name__)


class FileTidying:
    """Keeps the store in step with the table while `run` is running. Every process does so."""

    def __init__(self, database: AsyncEngine, questions: Questions, store: Store) -> None:
        self._database = database
        self._questions = questions
        self._store = store

    async def run(self) -> None:
        """Tidy up every few seconds, until cancelled."""
        await self._check_store()
        while True:
            try:
                await self._tidy()
            except DatabaseUnavailable as error:
                logger.warning("Could not tidy up files, and will try again: %s", error)
            await beat_or_rest(EVERY_SECONDS)

    async def _tidy(self) -> None:
        if await is_any_due(self._questions) and await _TIDY.rows(self._database):
            while await self._delete_objects() == AT_ONCE:
                pass

    async def _check_store(self) -> None:
        """Tell at the start if files cannot be kept. Everything else works without them."""
        if why := await obstacle(self._store, CHECK_SECONDS):
            logger.warning("Files cannot be kept in the folder or bucket of FILES_URL: %s", why)

    async def _delete_objects(self) -> int:
        """Delete objects that are due, and return their number. One that the store keeps is due later and ends it."""
        due = select(stray_objects.c.key, stray_objects.c.attempts).where(_DUE)
        async with self._database.begin() as connection:
            rows = (await connection.execute(due.limit(AT_ONCE).with_for_update(skip_locked=True))).all()
            for deleted, row in enumerate(rows):
                try:
                    with anyio.fail_after(DELETE_SECONDS):
                        await self._store.delete(row.key)
                except (StoreUnavailable, TimeoutError) as error:
                    why = str(error) or "it does not answer"
                    logger.warning("Could not delete a file from the store, and will try again: %s", why)
                    pause = min(timedelta(seconds=10 * 2 ** min(row.attempts, 12)), LONGEST_PAUSE)
                    await _put_off(connection, row.key, pause)
                    return deleted
                await connection.execute(delete(stray_objects).where(stray_objects.c.key == row.key))
        return len(rows)


async def is_any_due(questions: Questions) -> bool:
    """Tell whether any object is due to be deleted, or any upload to be discarded."""
    (is_due,) = await questions.ask(_IS_ANY_DUE)
    return bool(is_due)


async def _put_off(connection: AsyncConnection, key: object, pause: timedelta) -> None:
    later = {"due_at": func.now() + pause, "attempts": stray_objects.c.attempts + 1}
    await connection.execute(update(stray_objects).where(stray_objects.c.key == key).values(later))
