"""Replays for readers that are behind: readers who ask for the same at the same time share one query."""

from functools import partial

import anyio

from chat.ids import Revision, RoomId
from chat.live.source import RoomChanges, Source, SourceUnavailable
from chat.live.wire import frame_of_changes
from chat.supervision import Supervisor

REPLAY_LIMIT = 500  # messages in a replay; a reader that is further behind reloads the page
SOURCE_TIMEOUT = 10.0
# Each of them is up to half a megabyte in the database and several in memory, until its frames are made.
MOST_AT_ONCE = 4


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


class _Question:
    def __init__(self) -> None:
        self.answered = anyio.Event()
        self.replay: Replay | None = None
        self.error: Exception | None = None


class CatchingUp:
    """Fetches missing changes; every caller gets the failure of its question."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._questions: dict[tuple[RoomId, Revision], _Question] = {}
        self._turns = anyio.Semaphore(MOST_AT_ONCE)

    async def fetch(self, tasks: Supervisor, room_id: RoomId, after: Revision) -> tuple[Replay, bool]:
        """Return a room's changes after a revision, and whether this call asked first.

        May raise `SourceUnavailable`.
        """
        key = room_id, after
        question = self._questions.get(key)
        is_new = question is None
        if question is None:
            question = self._questions[key] = _Question()
            # In a task of its own: the first caller may leave before the others have their answer.
            tasks.once(partial(self._ask, key, question), f"replay of room {room_id}")
        await question.answered.wait()
        if question.error is not None:
            raise question.error
        assert question.replay is not None
        return question.replay, is_new

    async def _ask(self, key: tuple[RoomId, Revision], question: _Question) -> None:
        try:
            with anyio.fail_after(SOURCE_TIMEOUT):
                async with self._turns:
                    question.replay = Replay(await self._source.changes(*key, REPLAY_LIMIT))
        except TimeoutError:
            question.error = SourceUnavailable("no answer in time")
        except Exception as error:
            question.error = error
        finally:
            del self._questions[key]
            question.answered.set()
