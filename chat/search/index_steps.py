"""The statements that index messages, a bounded step at a time."""

from sqlalchemy import BigInteger, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.database.direct import DirectStatement, Source
from chat.database.questions import Question, Questions
from chat.ids import MessageId, RoomId
from chat.memory import KILOBYTE
from chat.models import columns_of, messages

MOST_ROOMS, MOST_MESSAGES = 1000, 1000
# Of text before the last message of a step: nine of the slowest messages, or some hundred ordinary ones.
MOST_BYTES = 256 * KILOBYTE
LEAST_BYTES = 256  # the size of an empty message; with a limit this small a step is one message

_OUR_TURN = text("SELECT pg_try_advisory_xact_lock(7463921)")
_LIMIT_TIME = text("SELECT set_config('statement_timeout', :limit, true)")
# An hour after the first attempt, then with growing pauses up to a week. An edited message is tried at once.
# An attempt is noted before it is made, in a transaction of its own.
_DUE = "tried_at < now() - least(interval '1 hour' * 2 ^ least(attempts - 1, 10), interval '1 week')"
_RETRY_IS_DUE = 0  # no room has this id
_BEHIND = """
    FROM rooms LEFT JOIN search_progress ON search_progress.room_id = rooms.id
    WHERE rooms.revision > coalesce(search_progress.revision, 0)
"""
_IS_RETRY_DUE = f"EXISTS (SELECT FROM unsearchable WHERE {_DUE})"
# Asked again and again, by every process.
_HAS_WORK = Question(text(f"EXISTS (SELECT {_BEHIND}) OR {_IS_RETRY_DUE}"))
_TO_DO = DirectStatement(
    text(f"""
    (SELECT rooms.id {_BEHIND}
    ORDER BY rooms.revision - coalesce(search_progress.revision, 0) LIMIT :most)
    UNION ALL SELECT {_RETRY_IS_DUE} WHERE {_IS_RETRY_DUE}
""")
)

# Folds messages into `searchable`, by the function that folds search terms in `chat/folding.py`.
_KEEP = r"""
    gone AS (
        DELETE FROM searchable USING changed WHERE message_id = changed.id AND deleted_at IS NOT NULL
    ), mended AS (
        DELETE FROM unsearchable USING changed WHERE message_id = changed.id
    ), kept AS (
        INSERT INTO searchable (message_id, room_id, author_id, posted_at, has_link, text)
        SELECT id, room_id, author_id, created_at,
            body_html LIKE '%<a href="http%',
            bare(CASE WHEN file_count = 0 THEN body ELSE concat_ws(E'\n', nullif(body, ''), (
                SELECT string_agg(files.name, E'\n' ORDER BY place) FROM files WHERE files.message_id = changed.id
            )) END)
        FROM changed WHERE deleted_at IS NULL
        ON CONFLICT (message_id) DO UPDATE SET text = excluded.text, has_link = excluded.has_link
        WHERE searchable.text <> excluded.text OR searchable.has_link <> excluded.has_link
    )
"""

# A room's revisions have no gaps and are in commit order, so a step takes the changes since the last revision reached,
# even after a process was killed.
_NEXT = f"""
    WITH room AS (
        SELECT rooms.id AS room, rooms.revision AS head, coalesce(search_progress.revision, 0) AS reached
        FROM rooms LEFT JOIN search_progress ON search_progress.room_id = rooms.id
        WHERE rooms.id = :room_id
    ), near AS (
        SELECT messages.id, octet_length(body) + :least_bytes AS size, messages.revision
        FROM room, messages WHERE room_id = room AND messages.revision > reached
        ORDER BY messages.revision LIMIT :most
    ), measured AS (
        SELECT id, coalesce(sum(size) OVER (ORDER BY revision ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
            AS bytes_before
        FROM near
    ), changed AS (
        SELECT {columns_of(messages)} FROM measured JOIN messages USING (id) WHERE bytes_before < :most_bytes
    ),
"""  # noqa: S608  of constants
_ADVANCE = """
    INSERT INTO search_progress (room_id, revision)
    SELECT room, coalesce((SELECT max(revision) FROM changed), head) FROM room
    ON CONFLICT (room_id) DO UPDATE SET revision = excluded.revision
    RETURNING search_progress.revision < (SELECT head FROM room) AS is_behind
"""
_STEP = text(_NEXT + _KEEP + _ADVANCE).bindparams(
    bindparam("room_id", type_=BigInteger),
    bindparam("least_bytes", type_=BigInteger),
    bindparam("most_bytes", type_=BigInteger),
)

_SET_ASIDE = text("""
    WITH bad AS (
        SELECT messages.id, room_id, messages.revision FROM messages
        WHERE room_id = :room_id AND messages.revision > coalesce(
            (SELECT revision FROM search_progress WHERE search_progress.room_id = :room_id), 0)
        ORDER BY messages.revision LIMIT 1
    ), gone AS (
        DELETE FROM searchable USING bad WHERE message_id = bad.id
    ), noted AS (
        INSERT INTO unsearchable (message_id, reason) SELECT id, :reason FROM bad
        ON CONFLICT (message_id) DO UPDATE SET reason = excluded.reason, attempts = unsearchable.attempts + 1,
            tried_at = now()
    )
    INSERT INTO search_progress (room_id, revision) SELECT room_id, revision FROM bad
    ON CONFLICT (room_id) DO UPDATE SET revision = excluded.revision
    RETURNING (SELECT id FROM bad) AS message_id
""").bindparams(bindparam("room_id", type_=BigInteger), bindparam("reason", type_=Text))

_TO_RETRY = text(f"""
    UPDATE unsearchable SET attempts = attempts + 1, tried_at = now()
    WHERE message_id = (SELECT message_id FROM unsearchable
        WHERE {_DUE}
        ORDER BY tried_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING message_id
""")  # noqa: S608  of constants
# Deleting a room locks it and then its messages. A step locks them too, as foreign keys do, but in any order. The lock
# is a statement of its own: in the step's, it would read a newer revision than the messages the step sees.
_HOLD = "SELECT FROM rooms WHERE id = {} FOR KEY SHARE"
_HOLD_ROOM = text(_HOLD.format(":room_id")).bindparams(bindparam("room_id", type_=BigInteger))
_HOLD_ROOM_OF = text(_HOLD.format("(SELECT room_id FROM messages WHERE id = :message_id)")).bindparams(
    bindparam("message_id", type_=BigInteger)
)

_ONE = f"WITH changed AS (SELECT {columns_of(messages)} FROM messages WHERE id = :message_id),"  # noqa: S608  of constants
_RETRY = text(_ONE + _KEEP + "SELECT 1").bindparams(bindparam("message_id", type_=BigInteger))


async def is_our_turn(connection: AsyncConnection) -> bool:
    """Lock the index until the transaction ends; False if another process is indexing."""
    return bool((await connection.execute(_OUR_TURN)).scalar_one())


async def limit_time(connection: AsyncConnection, seconds: float) -> None:
    """Set the timeout of this transaction's statements."""
    await connection.execute(_LIMIT_TIME, {"limit": f"{round(seconds * 1000)}ms"})


async def has_work(questions: Questions) -> bool:
    """Tell whether a room is behind, or a message due for a retry."""
    (has_work,) = await questions.ask(_HAS_WORK)
    return bool(has_work)


async def find_work(source: Source) -> tuple[list[RoomId], bool]:
    """Return the rooms that are behind, those with the least to do first, and whether a message is due for a retry."""
    found = [row.id for row in await _TO_DO.rows(source, most=MOST_ROOMS)]
    return [RoomId(each) for each in found if each != _RETRY_IS_DUE], _RETRY_IS_DUE in found


async def step(connection: AsyncConnection, room_id: RoomId, most_bytes: int) -> bool:
    """Index the next messages of a room: up to `most_bytes`, at least one message; tell whether there are more."""
    values = {"room_id": room_id, "most": MOST_MESSAGES, "most_bytes": most_bytes, "least_bytes": LEAST_BYTES}
    await connection.execute(_HOLD_ROOM, {"room_id": room_id})
    return bool((await connection.execute(_STEP, values)).scalar_one_or_none())


async def set_aside(connection: AsyncConnection, room_id: RoomId, reason: str) -> MessageId | None:
    """Set the next message of a room aside with the reason why it cannot be indexed; None if there is none."""
    values = {"room_id": room_id, "reason": reason}
    await connection.execute(_HOLD_ROOM, {"room_id": room_id})
    message_id: MessageId | None = (await connection.execute(_SET_ASIDE, values)).scalar_one_or_none()
    return message_id


async def message_to_retry(connection: AsyncConnection) -> MessageId | None:
    """Return a message that is due for a retry, and note the attempt."""
    message_id: MessageId | None = (await connection.execute(_TO_RETRY)).scalar_one_or_none()
    return message_id


async def retry(connection: AsyncConnection, message_id: MessageId) -> None:
    """Try again to make a message searchable."""
    await connection.execute(_HOLD_ROOM_OF, {"message_id": message_id})
    await connection.execute(_RETRY, {"message_id": message_id})
