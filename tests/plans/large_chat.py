"""A chat of 5,000 people with a million messages, written by PostgreSQL itself within half a minute.

It begins with that of `tests/support/settled.py`: Alice, person 1, administers it and owns room 1, the lobby, which
everybody is in; Bob is person 2. Both are in 200 of the 500 rooms, among them one of 1,000 people and one of 500, and
Alice is in 200 of the 1,000 direct conversations.
"""

from tests.support.databases import execute, run

PEOPLE, ROOMS, DIRECTS, MESSAGES = 5_000, 500, 1_000, 1_000_000
ALICE, BOB = 1, 2
# Everybody's; of 1,000; of 500; of some 50; a direct conversation of Alice and one other; one of five people.
LOBBY, SECOND, THIRD, SMALL, DIRECT, GROUP = 1, 2, 3, 50, ROOMS + 100, ROOMS + 1

# Foreign keys, triggers and indexes would take a minute. The indexes are built when the tables are full.
_BEGIN = """
    SET session_replication_role = replica;
    SET maintenance_work_mem = '512MB';
    SET temp_file_limit = '1GB';
    UPDATE pg_index SET indisready = false, indisvalid = false
    WHERE indrelid IN ('messages'::regclass, 'searchable'::regclass);
"""
_END = "REINDEX TABLE messages; REINDEX TABLE searchable;"

_PEOPLE = f"""
    INSERT INTO users (email, name, password_hash, role, status_emoji, status_text)
    SELECT 'person' || n || '@example.org',
        initcap(translate(left(md5(n::text), 6) || ' ' || right(md5(n::text), 6), '0123456789', 'ghijklmnop')),
        '', 'member', CASE n % 50 WHEN 0 THEN '🌴' ELSE '' END, CASE n % 50 WHEN 0 THEN 'On holiday' ELSE '' END
    FROM generate_series({BOB} + 1, {PEOPLE}) AS n;
    INSERT INTO sessions (user_id, refresh_hash, expires_at, revoked_at)
    SELECT 1 + n % {PEOPLE}, '', now() + interval '10 days', CASE n / {PEOPLE} WHEN 0 THEN now() END
    FROM generate_series(0, 4 * {PEOPLE} - 1) AS n;
    INSERT INTO throttles (key, count, ends_at)
    SELECT 'key ' || n, 1, now() + interval '1 hour' FROM generate_series(1, {PEOPLE}) AS n;
    INSERT INTO stray_objects (key, due_at)
    SELECT gen_random_uuid(), now() + interval '1 day' FROM generate_series(1, {PEOPLE});
"""

# One room in five is closed, and one in five is archived. From room 4 on, each has a hundredth of the people. The first
# fifty direct conversations have five people, the others two.
_ROOMS = f"""
    INSERT INTO rooms (kind, name, direct_key, archived_at)
    SELECT CASE WHEN n > {ROOMS} THEN 'direct' WHEN n % 5 = 4 THEN 'closed' ELSE 'open' END,
        CASE WHEN n <= {ROOMS} THEN 'Room ' || n END,
        CASE WHEN n > {ROOMS} THEN sha256(n::text::bytea) END,
        CASE WHEN n <= {ROOMS} AND n % 5 = 3 AND n <> {THIRD} THEN now() END
    FROM generate_series({LOBBY} + 1, {ROOMS} + {DIRECTS}) AS n;
    INSERT INTO invites (token, room_id, made_by, expires_at)
    SELECT 'token ' || n, nullif(n, 0), {ALICE}, now() + interval '1 day' FROM generate_series(0, 300) AS n
    ON CONFLICT DO NOTHING;
    DELETE FROM memberships;
    INSERT INTO memberships (room_id, user_id, role)
    SELECT room, person, CASE WHEN person = {ALICE} OR person = 1 + room % {PEOPLE} THEN 'owner' ELSE 'member' END
    FROM generate_series(1, {ROOMS}) AS room, generate_series(1, {PEOPLE}) AS person
    WHERE CASE room WHEN {LOBBY} THEN true WHEN {SECOND} THEN person <= 1000 WHEN {THIRD} THEN person <= 500
        ELSE (person + 7 * room) % 100 = 0 OR person IN ({ALICE}, {BOB}) AND room <= 200 END;
    INSERT INTO memberships (room_id, user_id, role, level)
    SELECT {ROOMS} + n, person, 'member', 'everything'
    FROM generate_series(1, {DIRECTS}) AS n, LATERAL (
        SELECT CASE WHEN n <= 200 THEN {ALICE} ELSE 10 + n END
        UNION SELECT 2000 + n
        UNION SELECT 3000 + n * 10 + each FROM generate_series(1, 3) AS each WHERE n <= 50
    ) AS seats (person);
    INSERT INTO departures (room_id, user_id) SELECT {ROOMS} + n, 4900 + n FROM generate_series(1, 50) AS n;
"""


def _word(number: str) -> str:
    return f"translate(left(md5(({number})::text), 5), '0123456789', 'ghijklmnop')"


# Of ten messages two are in the lobby, one and a half in the next two rooms, one in the direct conversations. Words are
# frequent or rare, as in a language: the planner decides by that.
_MESSAGES = f"""
    INSERT INTO messages (room_id, author_id, client_id, body, body_html, reactions, continues, starts_day, position,
        posted_revision, revision, created_at, deleted_at, reply_to_id, file_count, link_count)
    SELECT room_id, CASE WHEN kind = 1 THEN {ALICE} ELSE 1 + n * 7919::bigint % {PEOPLE} END,
        lpad(to_hex(n), 32, '0')::uuid,
        CASE WHEN kind = 7 THEN '' ELSE said END, CASE WHEN kind = 7 THEN '' ELSE '<p>' || said || '</p>' END,
        CASE WHEN kind = 5 THEN '[{{"emoji": "👍", "by": [1, 2]}}]'::jsonb ELSE '[]' END,
        false, false, position, position, position,
        now() - ({MESSAGES} - n) * interval '30 s',
        CASE WHEN kind = 7 THEN now() END, CASE WHEN kind = 3 THEN before_last END,
        CASE WHEN kind = 9 THEN 1 ELSE 0 END, CASE WHEN kind = 11 THEN 1 ELSE 0 END
    FROM (
        SELECT n, room_id, n / 10 % 97 AS kind, row_number() OVER earlier AS position,
            lag(n, 2) OVER earlier AS before_last
        FROM (SELECT n, CASE WHEN n % 10 < 2 THEN {LOBBY} WHEN n % 10 = 2 THEN {SECOND} WHEN n % 20 = 3 THEN {THIRD}
            WHEN n % 10 = 4 THEN {ROOMS} + 1 + n / 10 % {DIRECTS}
            ELSE 4 + (hashint4(n) & 2147483647) % ({ROOMS} - 3) END AS room_id
            FROM generate_series(1, {MESSAGES}) AS n) AS placed
        WINDOW earlier AS (PARTITION BY room_id ORDER BY n)
        ORDER BY n
    ) AS numbered, LATERAL (
        SELECT concat_ws(' ', CASE n % 4 WHEN 0 THEN 'the' END, {_word("n % 51")}, {_word("n % 8000")},
            CASE n % 1000 WHEN 8 THEN 'homework' END) AS said OFFSET 0
    ) AS text;
    INSERT INTO searchable (message_id, room_id, author_id, posted_at, has_link, text)
    SELECT id, room_id, author_id, created_at, link_count > 0, body FROM messages WHERE deleted_at IS NULL;
"""

_AROUND_MESSAGES = f"""
    UPDATE rooms SET revision = number, message_count = number, newest_at = last_at, newest_author_id = {BOB}
    FROM (SELECT room_id, count(*) AS number, max(created_at) AS last_at FROM messages GROUP BY 1) AS found
    WHERE room_id = rooms.id;
    INSERT INTO search_progress (room_id, revision) SELECT id, revision FROM rooms ON CONFLICT DO NOTHING;
    INSERT INTO unsearchable (message_id, reason, tried_at)
    SELECT n * 1000, 'too slow', now() - CASE n WHEN 1 THEN interval '1 day' ELSE interval '0' END
    FROM generate_series(1, 50) AS n;
    UPDATE memberships SET favourite = room_id % 40 = 0 AND user_id = {ALICE},
        read_position = CASE WHEN room_id IN ({SECOND}, {THIRD}) THEN 0 ELSE message_count - user_id % 5 END
    FROM rooms WHERE rooms.id = room_id;
    WITH newest AS (
        SELECT id FROM messages WHERE room_id = {LOBBY} AND deleted_at IS NULL ORDER BY position DESC LIMIT 900
    )
    UPDATE messages SET pinned_at = now(), pinned_by = {BOB} WHERE id IN (SELECT id FROM newest WHERE id % 45 = 1);
    INSERT INTO mentions (user_id, message_id, room_id, position)
    SELECT person, id, room_id, position
    FROM messages, LATERAL (SELECT {ALICE} UNION SELECT 1 + id % {PEOPLE}) AS mentioned (person)
    WHERE id % 100 = 2;
    INSERT INTO files (client_id, author_id, room_id, name, size)
    SELECT gen_random_uuid(), 1 + n % {PEOPLE}, {LOBBY}, 'photo.png', 5 FROM generate_series(0, 4 * {PEOPLE}) AS n;
    INSERT INTO files (client_id, author_id, room_id, message_id, place, name, size, received, object, bytes, kind,
        width, height, thumbnail, finished_at)
    SELECT gen_random_uuid(), author_id, room_id, id, 1, 'plan ' || id || '.png', 5, 5, gen_random_uuid(), 5,
        CASE id % 2 WHEN 0 THEN 'image/png' ELSE 'text/plain' END, CASE id % 2 WHEN 0 THEN 9 END,
        CASE id % 2 WHEN 0 THEN 9 END, CASE id % 2 WHEN 0 THEN gen_random_uuid() END, now()
    FROM messages WHERE file_count = 1;
    INSERT INTO link_previews (address, host, expires_at, title, picture, picture_kind, width, height)
    SELECT 'https://example.org/' || id, 'example.org', now() + interval '1 day', 'A page', gen_random_uuid(),
        'image/webp', 1, 1
    FROM messages WHERE link_count = 1 ORDER BY id;
    INSERT INTO message_links (message_id, place, address, preview_id)
    SELECT messages.id, 1, address, link_previews.id
    FROM messages JOIN link_previews ON address = 'https://example.org/' || messages.id WHERE link_count = 1;
    INSERT INTO message_links (message_id, place, address, quoted_id)
    SELECT n * 50 + n % 7, 2, 'https://chat.example.org/' || n, n * 50 - n % 10 FROM generate_series(1, 5000) AS n;
"""


def fill(url: str) -> None:
    """Write the chat into empty tables."""
    statements = [_BEGIN, _PEOPLE, _ROOMS, _MESSAGES, _END, _AROUND_MESSAGES]
    # Sent as one text, they would be one transaction, in which nothing can be vacuumed.
    run(execute(url, "".join(statements)))
    run(execute(url, "VACUUM ANALYZE"))
