"""Looks at the links of messages that were posted or edited, a moment later, so that nothing slows a post.

Every process takes messages from the queue. The result becomes a revision of the message, like an edit, so readers see
it on every page. The revision and the end of the queue's row are one transaction: a process that is killed leaves
nothing half, and another process takes over when its lease has ended. A process that shuts down gives its
leases back.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic

import anyio
from anyio.abc import TaskGroup
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.beat import beat_or_rest
from chat.change import BeginChange
from chat.database.engine import reading
from chat.database.questions import Questions
from chat.errors import DatabaseUnavailable, Forbidden, NotFound
from chat.ids import UserId
from chat.messages.link_queue import LEASE, Due, finish, give_up, is_any_due, put_off, take_due
from chat.messages.message_links import Kept, Linking, linking_message, quotable
from chat.messages.page_previews import PagePreviews, TooBusy, delete_unused
from chat.messages.showing_links import Overtaken, keep_links
from chat.messages.shown_links import is_own, permalink_in
from chat.reminder import Reminder

EVERY_SECONDS = 1.0
AT_ONCE = 4  # messages, of different authors; most of the time they wait for servers
TIDY_SECONDS = 300.0
PAUSE = timedelta(minutes=1)  # for a busy host
GIVE_BACK_SECONDS = 2.0
MESSAGE_SECONDS = LEASE.total_seconds() - 10

logger = logging.getLogger(__name__)


class Previewing:
    """Adds previews to messages while `run` is running, in every process. Without `pages` nothing is fetched."""

    def __init__(
        self,
        database: AsyncEngine,
        questions: Questions,
        begin: BeginChange,
        pages: PagePreviews | None,
        public_url: str | None,
    ) -> None:
        self._database, self._questions, self._begin, self._pages = database, questions, begin, pages
        self._origins = (public_url.lower(),) if public_url else ()
        self._busy: set[UserId] = set()
        self._tidied_at = monotonic()
        self._reminder = Reminder()

    @property
    def fetched(self) -> Counter[str]:
        """The number of pages fetched since the start, by outcome: shown or failed."""
        return self._pages.fetched if self._pages is not None else Counter()

    async def run(self) -> None:
        """Look at links until cancelled."""
        self._busy.clear()
        async with anyio.create_task_group() as tasks:
            while True:
                try:
                    await self._begin_next(tasks)
                    await self._tidy()
                except DatabaseUnavailable as error:
                    if self._reminder.is_due():
                        logger.warning("Could not look at links, and will try again: %s", error)
                await beat_or_rest(EVERY_SECONDS)

    async def _begin_next(self, tasks: TaskGroup) -> None:
        if len(self._busy) == AT_ONCE or not await is_any_due(self._questions):
            return
        async with self._database.begin() as connection:
            taken = await take_due(connection, AT_ONCE - len(self._busy), self._busy)
        for due in taken:
            self._busy.add(due.author_id)
            tasks.start_soon(self._look_at, due)

    async def _look_at(self, due: Due) -> None:
        try:
            with anyio.fail_after(MESSAGE_SECONDS):
                await self._show(due)
        except (DatabaseUnavailable, TimeoutError, IntegrityError) as error:
            logger.warning("Could not show the links of message %d: %s", due.message_id, error)
        except Exception:
            # The others go on.
            logger.exception("Could not show the links of message %d", due.message_id)
        except anyio.get_cancelled_exc_class():
            # The process shuts down: another one need not wait for the end of the lease.
            with anyio.move_on_after(GIVE_BACK_SECONDS, shield=True):
                await self._give_back(due)
            raise
        finally:
            self._busy.discard(due.author_id)

    async def _give_back(self, due: Due) -> None:
        try:
            async with self._database.begin() as connection:
                await put_off(connection, due, timedelta(0))
        except DatabaseUnavailable as error:
            logger.warning("Could not give back the links of message %d: %s", due.message_id, error)

    async def _show(self, due: Due) -> None:
        async with reading(self._database) as connection:
            linking = await linking_message(connection, due.message_id)
        try:
            if linking is not None:
                found = await self._found(linking, (due.origin.lower(), *self._origins))
                async with self._begin() as change:
                    await keep_links(change, due, linking, found)
                return
        except (Overtaken, TooBusy) as error:
            async with self._database.begin() as connection:
                await put_off(connection, due, PAUSE if isinstance(error, TooBusy) else timedelta(0))
            return
        except (Forbidden, NotFound):
            pass  # the room has just been archived, or the message deleted
        async with self._database.begin() as connection:
            await finish(connection, due)

    async def _found(self, linking: Linking, origins: Sequence[str]) -> list[Kept]:
        """Return the targets of a message's links, in the order of its text. Known links are not looked at again."""
        known = {each.address: each for each in linking.kept}
        found = [known.get(each) or await self._target(linking, each, origins) for each in linking.addresses]
        return [each for each in found if each is not None]

    async def _target(self, linking: Linking, address: str, origins: Sequence[str]) -> Kept | None:
        if permalink := permalink_in(address, origins):
            async with reading(self._database) as connection:
                is_shown = await quotable(connection, linking, *permalink)
            return Kept(address, quoted_id=permalink[1], quoted_room_id=permalink[0]) if is_shown else None
        if self._pages is None or is_own(address, origins):
            return None
        preview_id = await self._pages.of(address)
        return None if preview_id is None else Kept(address, preview_id)

    async def _tidy(self) -> None:
        if monotonic() - self._tidied_at < TIDY_SECONDS:
            return
        self._tidied_at = monotonic()
        async with self._database.begin() as connection:
            await give_up(connection)
        await delete_unused(self._database)
