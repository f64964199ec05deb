"""The rules that let an older version run on a newer one's tables, for every migration after the ninth."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from chat.database import migrating
from chat.database.migrate import revisions
from chat.database.migrating import LAST_WITHOUT_RULES
from chat.database.schema import NEWEST
from tests.support.databases import execute, fresh_database, query, run
from tests.support.migration_rules import Statement, faults, recorded
from tests.support.newer_version import FILL_SHOUT, LOSE_TOPICS, OLDEST, SHOUT, add_migrations, configuration, revision


@pytest.fixture
def empty_database() -> Iterator[str]:
    """The URL of a database without tables."""
    with fresh_database(template="template0") as url:
        yield url


def migrate_and_judge(config: Config, after: str) -> dict[str, list[str]]:
    """Migrate to the newest revision; returns the faults of each migration after a revision."""
    scripts = ScriptDirectory.from_config(config)
    newer = [script for script in reversed(list(scripts.walk_revisions())) if script.revision > after]
    command.upgrade(config, after)
    found = {}
    for script in newer:
        taken = [row[0] for row in query(config.attributes["database_url"], COLUMNS)]
        with recorded() as statements:
            command.upgrade(config, script.revision)
        serves_from = getattr(script.module, "serves_from", "")
        found[script.revision] = faults(statements, serves_from, str(script.down_revision), taken)
    return found


def test_every_migration_keeps_the_rules(empty_database: str) -> None:
    found = migrate_and_judge(configuration(empty_database), LAST_WITHOUT_RULES)
    assert {revision: broken for revision, broken in found.items() if broken} == {}
    served = query(empty_database, "SELECT serves_from FROM alembic_version")[0][0]
    assert LAST_WITHOUT_RULES <= served <= NEWEST


def test_migrations_are_a_single_line_of_consecutive_numbers() -> None:
    assert revisions()[::-1] == [f"{number:04}" for number in range(1, len(revisions()) + 1)]


COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'"
NOT_NULL = """
def upgrade() -> None:
    op.add_column("rooms", sa.Column("newer_colour", sa.Text, nullable=False))
"""
PLAIN_INDEX = """
def upgrade() -> None:
    op.create_index("messages_shout_idx", "messages", ["body_html"])
    op.execute("UPDATE messages SET body_html = body")
"""
FOR_NOBODY = LOSE_TOPICS.replace(revision(1), revision(9))


@pytest.mark.parametrize(
    ("migration", "expected"),
    [
        (SHOUT, []),
        (FILL_SHOUT.replace("shout = upper(body)", "body_html = body").replace("shout <> ''", "true"), []),
        (LOSE_TOPICS.replace(revision(1), NEWEST), []),
        (LOSE_TOPICS.replace("serves_from", "forgotten"), ["drops something"]),
        (FOR_NOBODY, ["it serves no code before it"]),
        (SHOUT.replace("shout", "level"), ["it adds level, which joins in old code"]),
        (NOT_NULL, ["old code leaves NULL"]),
        (PLAIN_INDEX, ["build_index()", "backfill()"]),
    ],
)
def test_a_migration_that_breaks_a_rule_is_told(
    migration: str, expected: list[str], database_url: str, tmp_path: Path
) -> None:
    config = configuration(database_url, add_migrations(tmp_path / "migrations", migration))
    (found,) = migrate_and_judge(config, NEWEST).values()
    assert len(found) == len(expected), found
    for fault, part in zip(found, expected, strict=True):
        assert part in fault


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("ALTER TABLE rooms RENAME COLUMN topic TO subject", "renames something"),
        ("ALTER TABLE users ALTER COLUMN hours TYPE text", "changes a type"),
        ("ALTER TABLE users ALTER COLUMN hours SET NOT NULL", "forbids NULL"),
        ("ALTER TABLE users ALTER COLUMN name DROP NOT NULL", "drops something"),
        ("ALTER TABLE users ALTER COLUMN theme DROP DEFAULT", "drops something"),
        ("ALTER TABLE rooms DROP CONSTRAINT rooms_kind_check", "drops something"),
        ("DROP INDEX CONCURRENTLY messages_pinned_idx", "drops something"),
        ("DROP TRIGGER keep_direct ON rooms", "drops something"),
        ("TRUNCATE throttles", "empties a table"),
        ("CREATE UNIQUE INDEX CONCURRENTLY x ON users (name)", "adds a key"),
        ("ALTER TABLE users ADD CONSTRAINT x UNIQUE (name)", "adds a key"),
        ("ALTER TABLE users ADD CONSTRAINT x CHECK (name <> '')", "forbids values that old code may write"),
        ("ALTER TABLE rooms ADD COLUMN a int, ADD CONSTRAINT x CHECK (a > 0)", ""),
        ("ALTER TABLE messages ADD COLUMN a int, ADD CONSTRAINT x CHECK (a > 0)", "checks all rows"),
        ("ALTER TABLE messages ADD COLUMN a int, ADD CONSTRAINT x CHECK (a > 0) NOT VALID", ""),
        ("ALTER TABLE messages ADD COLUMN a uuid DEFAULT gen_random_uuid() NOT NULL", "writes messages anew"),
        ("ALTER TABLE messages ADD COLUMN a text GENERATED ALWAYS AS (lower(body)) STORED", "writes messages anew"),
        ("INSERT INTO mentions SELECT * FROM lost", "changes all rows of mentions"),
        ("DELETE FROM sessions", "changes all rows of sessions"),
        ("UPDATE installation SET name = 'x'", ""),
        ("LOCK TABLE users", "locks a table"),
        ("CREATE TABLE stars (id bigint NOT NULL)", ""),
        ("CREATE INDEX rooms_topic_idx ON rooms (topic)", ""),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1", ""),
    ],
)
def test_each_rule_knows_the_statements_that_break_it(sql: str, expected: str) -> None:
    found = faults([Statement(sql)], "", NEWEST)
    assert len(found) == bool(expected), found
    assert expected in "".join(found)


def test_an_index_beside_others_may_not_share_its_migration() -> None:
    index = Statement("CREATE INDEX CONCURRENTLY x ON messages (id)", is_beside_others=True)
    column = Statement("ALTER TABLE rooms ADD COLUMN a int")
    assert faults([index], "", NEWEST) == []
    assert "another migration" in faults([index, column], "", NEWEST)[0]


def test_a_backfill_goes_in_batches_and_repeats_what_was_interrupted(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "BATCH", 3)
    config = configuration(database_url, add_migrations(tmp_path / "migrations", SHOUT, FILL_SHOUT))
    run(execute(database_url, PEOPLE))
    run(execute(database_url, MESSAGES))
    command.upgrade(config, revision(1))
    # An interrupted run leaves some rows changed, and an index that is not finished.
    run(execute(database_url, "UPDATE messages SET shout = upper(body) WHERE id < 3"))
    run(execute(database_url, "CREATE INDEX messages_shout_idx ON messages (id)"))
    with recorded() as statements:
        command.upgrade(config, revision(2))
    assert [it.sql.split()[0] for it in statements] == ["UPDATE"] * 3 + ["DROP", "CREATE"]
    assert all(it.is_beside_others for it in statements)
    assert query(database_url, "SELECT bool_and(shout = upper(body)) FROM messages")[0][0]
    assert "shout" in query(database_url, "SELECT pg_get_indexdef('messages_shout_idx'::regclass)")[0][0]
    command.downgrade(config, NEWEST)
    assert query(database_url, "SELECT to_regclass('messages_shout_idx')")[0][0] is None
    assert query(database_url, "SELECT version_num, serves_from FROM alembic_version")[0] == (NEWEST, OLDEST)


PEOPLE = "INSERT INTO users (email, name, password_hash, role) VALUES ('a@example.org', 'Alice', '', 'member')"
MESSAGES = """
    WITH room AS (INSERT INTO rooms (kind, name) VALUES ('open', 'Lobby') RETURNING id)
    INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
        posted_revision, revision, created_at)
    SELECT room.id, 1, gen_random_uuid(), 'message ' || n, '', false, false, n, n, n, now()
    FROM room, generate_series(1, 8) AS n
"""
