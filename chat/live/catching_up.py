"""Replays for readers that are behind. Readers at the same revision share one query, also when they come in turn."""

import asyncio
from functools import partial

import anyio

from chat.ids import Revision, RoomId
from chat.live.frames import frame_of_changes
from chat.live.source import RoomChanges, Source, SourceUnavailable
from chat.supervision import Supervisor

REPLAY_LIMIT = 500  # messages in a replay; a reader that is further behind reloads the page
SOURCE_TIMEOUT = 10.0
# A replay takes up to half a megabyte in the database, and several in memory until its frames are made.
MOST_AT_ONCE = 4
# After a restart all readers of a room miss the same, and come within seconds. A kept replay takes up to two megabytes.
KEPT_SECONDS = 1.0
MOST_KEPT = 4


class Replay:
    """A room's changes after a revision, None if they are too many, and the frames made of them."""

    def __init__(self, changes: RoomChanges | None) -> None:
        self.changes = changes
        self._frames: dict[Revision, bytes] = {}

    def frame_from(self, cursor: Revision) -> bytes:
        """Return the frame that takes a reader from a revision to the end; readers at the same revision share it."""
        assert self.changes is not None
        if cursor not in self._frames:
            missed = [change for change in self.changes.items if change.revision > cursor]
            self._frames[cursor] = frame_of_changes(missed, cursor, self.changes.revision)
        return self._frames[cursor]


class _Query:
    def __init__(self) -> None:
        self.answered = anyio.Event()
        self.replay: Replay | None = None
        self.error: Exception | None = None


class CatchingUp:
    """Fetches missing changes. Callers that share a query also share its failure."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._queries: dict[tuple[RoomId, Revision], _Query] = {}
        self._kept: dict[tuple[RoomId, Revision], Replay] = {}
        self._turns = anyio.Semaphore(MOST_AT_ONCE)

    async def fetch(
        self, tasks: Supervisor, room_id: RoomId, after: Revision, up_to: Revision | None = None
    ) -> tuple[Replay, bool]:
        """Return a room's changes after a revision, and whether this call started the query.

        A replay that was made a moment ago is returned again if it reaches `up_to`. May raise `SourceUnavailable`.
        """
        key = room_id, after
        kept = self._kept.get(key)
        if kept and kept.changes and up_to is not None and kept.changes.revision >= up_to:
            return kept, False
        query = self._queries.get(key)
        is_new = query is None
        if query is None:
            query = self._queries[key] = _Query()
            # In a task of its own, because the first caller may leave before the others have the result.
            tasks.once(partial(self._run, key, query), f"replay of room {room_id}")
        await query.answered.wait()
        if query.error is not None:
            raise query.error
        assert query.replay is not None
        return query.replay, is_new

    async def _run(self, key: tuple[RoomId, Revision], query: _Query) -> None:
        try:
            with anyio.fail_after(SOURCE_TIMEOUT):
                async with self._turns:
                    query.replay = Replay(await self._source.changes(*key, REPLAY_LIMIT))
            self._keep(key, query.replay)
        except TimeoutError:
            query.error = SourceUnavailable("no answer in time")
        except Exception as error:
            query.error = error
        finally:
            del self._queries[key]
            query.answered.set()

    def _keep(self, key: tuple[RoomId, Revision], replay: Replay) -> None:
        if not self._kept:
            asyncio.get_running_loop().call_later(KEPT_SECONDS, self._kept.clear)
        self._kept[key] = replay
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]

    def forget(self) -> None:
        """Forget the kept replays: in a restored database the same revisions may hold other changes."""
        self._kept.clear()
