"""The statements that post messages, the busiest of the chat."""

from sqlalchemy import ARRAY, BigInteger, Text, Uuid, bindparam, text

from chat.database.direct import DirectStatement
from chat.rooms.room import MANAGES

# The people whose session has not ended: a post is refused even if its session ended after the request was let in.
AUTHORS = """(
    SELECT sessions.id AS session_id, users.id AS author_id, users.name AS author_name,
        users.small_picture AS author_face, users.role = 'administrator' AS is_administrator
    FROM sessions JOIN users ON users.id = sessions.user_id WHERE revoked_at IS NULL AND expires_at > now()
) AS author"""

# One statement, because a room's row lock held across round trips costs four times the throughput. The locks, taken in
# the order of the rooms' ids so that two processes cannot wait for each other, make revisions gapless and in commit
# order; ids and times are taken under them, so they are in that order too. In slow rooms a post also updates its
# author's membership: of two posts at the same moment, the second waits for that row and then finds itself too soon.
# `given` hides the length of the arrays from the planner, which otherwise may plan each batch anew: twice the work.
# OFFSET keeps the planner from looking through all of an author's messages for a client id while they are few.
POST_MESSAGES = DirectStatement(
    text(f"""
    WITH asked AS (
        SELECT asked.*
        FROM (
            SELECT :session_ids, :room_ids, :client_ids, :bodies, :bodies_html, :mentions, :originals OFFSET 0
        ) AS given (session_ids, room_ids, client_ids, bodies, bodies_html, mentions, originals),
            unnest(session_ids, room_ids, client_ids, bodies, bodies_html, given.mentions, originals)
            WITH ORDINALITY AS asked (session_id, room_id, client_id, body, body_html, mentions, original_id, place)
    ), allowed AS (
        SELECT asked.*, author_id, author_name, author_face,
            CASE WHEN manages THEN 0 ELSE slow_seconds END AS slow_seconds,
            row_number() OVER (PARTITION BY room_id, author_id ORDER BY place) = 1 AS is_first
        FROM asked JOIN {AUTHORS} USING (session_id) JOIN memberships USING (room_id) JOIN rooms ON rooms.id = room_id,
            LATERAL (SELECT {MANAGES}) AS it (manages)
        WHERE memberships.user_id = author_id AND (posting = 'everybody' OR manages)
          AND NOT EXISTS (
            SELECT FROM messages WHERE messages.author_id = author.author_id
                AND messages.client_id = asked.client_id OFFSET 0)
    ), waited AS (
        UPDATE memberships SET posted_at = clock_timestamp()
        FROM allowed
        WHERE slow_seconds > 0 AND is_first AND memberships.room_id = allowed.room_id AND user_id = author_id
          AND coalesce(memberships.posted_at <= clock_timestamp() - make_interval(secs => slow_seconds), true)
        RETURNING place
    ), accepted AS (
        SELECT allowed.*,
            row_number() OVER in_room AS step,
            lag(author_id) OVER in_room AS author_before,
            first_value(author_id) OVER in_room AS first_author_id
        FROM allowed
        WHERE slow_seconds = 0 OR place IN (SELECT place FROM waited)
        WINDOW in_room AS (PARTITION BY room_id ORDER BY place)
    ), locked AS (
        SELECT id FROM rooms WHERE id IN (SELECT room_id FROM accepted) AND archived_at IS NULL ORDER BY id FOR UPDATE
    ), grown AS (
        SELECT room_id, count(*) AS steps, min(first_author_id) AS first_author_id,
            (array_agg(author_id ORDER BY step DESC))[1] AS last_author_id
        FROM locked JOIN accepted ON accepted.room_id = locked.id
        GROUP BY room_id
    ), room AS (
        UPDATE rooms SET
            revision = revision + steps,
            message_count = message_count + steps,
            newest_author_id = last_author_id,
            newest_at = clock_timestamp(),
            newest_starts_day = coalesce(
                date_trunc('day', newest_at, 'UTC') <> date_trunc('day', clock_timestamp(), 'UTC'), true),
            newest_continues = coalesce(
                newest_author_id = first_author_id AND newest_at > clock_timestamp() - interval '5 minutes', false)
        FROM grown
        WHERE rooms.id = grown.room_id
        RETURNING rooms.id, revision - steps AS revision, message_count - steps AS position,
            newest_at, newest_continues, newest_starts_day
    ), posted AS (
        INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
            posted_revision, revision, created_at, reply_to_id)
        SELECT room_id, author_id, client_id, body, body_html,
            CASE WHEN step = 1 THEN newest_continues ELSE author_id = author_before END,
            step = 1 AND newest_starts_day,
            position + step, revision + step, revision + step, newest_at,
            (SELECT id FROM messages AS original WHERE original.id = original_id AND original.room_id = room.id)
        FROM accepted JOIN room ON room.id = room_id
        ORDER BY room_id, step
        RETURNING id, room_id, author_id, client_id, body_html, continues, starts_day, position, posted_revision,
            revision, created_at
    ), mentioned AS (
        INSERT INTO mentions (user_id, message_id, room_id, position)
        SELECT user_id, posted.id, posted.room_id, posted.position
        FROM posted JOIN accepted USING (author_id, client_id),
            unnest(string_to_array(mentions, ',')::bigint[]) AS user_id
    )
    SELECT posted.*, author_name, author_face, NULL AS edited_at, NULL AS deleted_at, NULL AS pinned_at,
        NULL AS reactions, NULL AS reacting, NULL AS mentioned, NULL AS original, NULL AS files, NULL AS links,
        (SELECT epoch FROM installation) AS epoch,
        CASE WHEN posted.position = 1
            THEN (SELECT array_agg(user_id) FROM memberships WHERE memberships.room_id = posted.room_id) END AS members
    FROM posted JOIN accepted USING (author_id, client_id)
    ORDER BY posted.room_id, posted.position
""").bindparams(  # noqa: S608  of constants
        bindparam("session_ids", type_=ARRAY(BigInteger)),
        bindparam("room_ids", type_=ARRAY(BigInteger)),
        bindparam("client_ids", type_=ARRAY(Uuid)),
        bindparam("bodies", type_=ARRAY(Text)),
        bindparam("bodies_html", type_=ARRAY(Text)),
        bindparam("mentions", type_=ARRAY(Text)),
        bindparam("originals", type_=ARRAY(BigInteger)),
    )
)

# The same for one message to which nothing else belongs, in a room without slow mode: most messages come like this, and
# it takes half of the database's time. The update locks the room, and reads it again if it had to wait.
POST_MESSAGE = DirectStatement(
    text(f"""
    WITH room AS (
        UPDATE rooms SET
            revision = revision + 1,
            message_count = message_count + 1,
            newest_author_id = author_id,
            newest_at = clock_timestamp(),
            newest_starts_day = coalesce(
                date_trunc('day', newest_at, 'UTC') <> date_trunc('day', clock_timestamp(), 'UTC'), true),
            newest_continues = coalesce(
                newest_author_id = author_id AND newest_at > clock_timestamp() - interval '5 minutes', false)
        FROM {AUTHORS} JOIN memberships ON user_id = author_id
        WHERE session_id = :session_id AND memberships.room_id = :room_id AND rooms.id = :room_id
          AND archived_at IS NULL AND ((posting = 'everybody' AND slow_seconds = 0) OR ({MANAGES}))
          AND NOT EXISTS (
            SELECT FROM messages WHERE messages.author_id = author.author_id AND messages.client_id = :client_id)
        RETURNING rooms.id, revision, message_count, newest_at, newest_continues, newest_starts_day,
            author_id, author_name, author_face
    )
    INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
        posted_revision, revision, created_at)
    SELECT id, author_id, :client_id, :body, :body_html, newest_continues, newest_starts_day, message_count,
        revision, revision, newest_at
    FROM room
    RETURNING id, author_id, continues, starts_day, position, revision, created_at,
        (SELECT author_name FROM room), (SELECT author_face FROM room),
        (SELECT epoch FROM installation) AS epoch,
        CASE WHEN position = 1
            THEN (SELECT array_agg(user_id) FROM memberships WHERE memberships.room_id = messages.room_id) END
            AS members
""").bindparams(  # noqa: S608  of constants
        bindparam("session_id", type_=BigInteger),
        bindparam("room_id", type_=BigInteger),
        bindparam("client_id", type_=Uuid),
        bindparam("body", type_=Text),
        bindparam("body_html", type_=Text),
    )
)
