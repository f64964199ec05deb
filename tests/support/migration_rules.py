"""The rules for migrations (`docs/upgrading.md`), held against the statements that a migration executes."""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, event

# Tables that grow with every message or visit: a statement that reads or writes all their rows must not lock them.
LARGE = {"mentions", "memberships", "messages", "searchable", "sessions"}

_OURS = re.compile(r"alembic_version|^SELECT|pg_catalog", re.I)
_VOLATILE = re.compile(r"\b(gen_random_uuid|random|clock_timestamp|nextval)\b|\bSTORED\b|\bIDENTITY\b|SERIAL\b", re.I)
_ADDED = re.compile(r"ADD COLUMN (?:IF NOT EXISTS )?\"?(\w+)\"?", re.I)
_CREATED = re.compile(r"^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?\"?(\w+)\"?", re.I)
_INDEX = re.compile(r"^CREATE (UNIQUE )?INDEX (CONCURRENTLY )?(?:IF NOT EXISTS )?(\w+) ON \"?(\w+)\"?", re.I)
_REBUILT = re.compile(r"^DROP INDEX (?:CONCURRENTLY )?IF EXISTS (\w+)$", re.I)
_ALTER = re.compile(r"^ALTER TABLE (?:ONLY )?\"?(\w+)\"? (.*)", re.I)
_WRITE = re.compile(r"^(?:UPDATE|DELETE FROM|INSERT INTO|MERGE INTO) \"?(\w+)\"?", re.I)
_CONTRACTING = {
    "drops something": re.compile(r"\bDROP\b", re.I),
    "renames something": re.compile(r"\bRENAME\b", re.I),
    "changes a type": re.compile(r"\bALTER COLUMN \S+ (SET DATA )?TYPE\b", re.I),
    "forbids NULL": re.compile(r"\bSET NOT NULL\b", re.I),
    "empties a table": re.compile(r"^TRUNCATE\b", re.I),
    "adds a key": re.compile(r"\bADD (CONSTRAINT \S+ )?(UNIQUE|PRIMARY KEY|EXCLUDE)\b", re.I),
}


@dataclass(frozen=True)
class Statement:
    """A statement of a migration, with single spaces, and whether it ran outside of the migration's transaction."""

    sql: str
    is_beside_others: bool = False


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Record the statements that migrations execute in this process."""
    found: list[Statement] = []

    def record(connection: Connection, _cursor: object, sql: str, *_: object) -> None:
        sql = " ".join(sql.split())
        if not _OURS.search(sql):
            found.append(Statement(sql, connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"))

    event.listen(Engine, "before_cursor_execute", record)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", record)


def faults(
    statements: Sequence[Statement], serves_from: str, down_revision: str, taken: Collection[str] = ()
) -> list[str]:
    """Return the faults of a migration's upgrade; `taken` are the names of the columns before it."""
    found = list(_locks(statements))
    added = {name for it in statements for name in _ADDED.findall(it.sql)}
    found += [f"it adds {name}, which joins in old code would find ambiguous" for name in sorted(added & set(taken))]
    contracting = list(_contracts(statements))
    if contracting and not serves_from:
        found += [f"it {fault}, but does not say which code it serves: serves_from" for fault in contracting]
    if serves_from > down_revision:
        found.append(f"it serves no code before it: serves_from is at most {down_revision}")
    return found


def _contracts(statements: Sequence[Statement]) -> Iterator[str]:
    """Yield the faults that may break the code before a migration."""
    created = {match[1] for it in statements if (match := _CREATED.match(it.sql))}
    added = {name for it in statements for name in _ADDED.findall(it.sql)}
    built = {match[3] for it in statements if (match := _INDEX.match(it.sql))}
    for it in statements:
        index, rebuilt, alter = _INDEX.match(it.sql), _REBUILT.match(it.sql), _ALTER.match(it.sql)
        if (rebuilt and rebuilt[1] in built) or (alter and alter[1] in created):
            continue
        yield from (fault for fault, pattern in _CONTRACTING.items() if pattern.search(it.sql))
        if index and index[1] and index[4] not in created:
            yield "adds a key"
        if re.search(r"\bADD COLUMN\b.*\bNOT NULL\b", it.sql, re.I) and not _has_value(it.sql):
            yield "adds a column that old code leaves NULL"
        constraint = re.search(r"\bADD CONSTRAINT \S+ (?:CHECK|FOREIGN KEY) ?\((.*)", it.sql, re.I)
        if constraint and not added & set(re.findall(r"\w+", constraint[1])):
            yield "forbids values that old code may write"


def _locks(statements: Sequence[Statement]) -> Iterator[str]:
    """Yield the faults that make running processes wait."""
    created = {match[1] for it in statements if (match := _CREATED.match(it.sql))}
    for it in statements:
        index, alter, write = _INDEX.match(it.sql), _ALTER.match(it.sql), _WRITE.match(it.sql)
        if index and index[4] in LARGE - created and not index[2]:
            yield f"it builds {index[3]} while nobody can write to {index[4]}: build_index()"
        if write and write[1] in LARGE - created and not it.is_beside_others:
            yield f"it changes all rows of {write[1]} in a single transaction: backfill()"
        if alter and alter[1] in LARGE - created:
            if "ADD COLUMN" in it.sql.upper() and _VOLATILE.search(it.sql):
                yield f"it writes {alter[1]} anew while nobody can read it"
            if re.search(r"\bADD CONSTRAINT\b.*\b(CHECK|FOREIGN KEY)\b", it.sql, re.I) and "NOT VALID" not in it.sql:
                yield f"it checks all rows of {alter[1]} while nobody can write to it: NOT VALID, and validate later"
        if re.match(r"LOCK|CLUSTER|VACUUM|REINDEX", it.sql, re.I):
            yield f"it locks a table: {it.sql}"
    if len({it.is_beside_others for it in statements}) > 1:
        yield "it leaves its transaction and does something else, too: that belongs into another migration"


def _has_value(sql: str) -> bool:
    return bool(re.search(r"\bDEFAULT\b|\bGENERATED\b", sql, re.I))
