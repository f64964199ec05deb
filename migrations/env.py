"""Alembic's entry: runs the migrations over the same asyncpg engine as the chat."""

import asyncio
import os
from collections.abc import Collection, Mapping

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, event, text

from chat.database.engine import create_engine
from chat.database.migrating import TURN, limit_locks, record_oldest_served, turn
from chat.database.schema import TURN_SECONDS, tables_of
from chat.models import metadata


def run_on(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=True,
        transaction_per_migration=True,
        on_version_apply=record,
    )
    with context.begin_transaction():
        context.run_migrations()


def record(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[object], run_args: Mapping[str, object]
) -> None:
    if ctx.connection is not None and heads:
        record_oldest_served(ctx.connection, context.script, max(map(str, heads)))


async def run_online(database_url: str, patience: float) -> None:
    engine = create_engine(database_url, command_timeout=None)
    event.listen(engine.sync_engine, "begin", limit_locks)
    try:
        # Two nodes deployed at the same moment take turns.
        async with turn(database_url, patience), engine.connect() as connection:
            before = (await connection.run_sync(tables_of)).revision
            # Alembic commits only transactions that it has begun.
            await connection.rollback()
            await connection.run_sync(run_on)
            await connection.commit()
            after = (await connection.run_sync(tables_of)).revision
    finally:
        await engine.dispose()
    print(f"The tables are at revision {after or 'none'} (were at {before or 'none'}).", flush=True)  # noqa: T201


attributes = context.config.attributes
connection = attributes.get("connection")
database_url = attributes.get("database_url") or os.environ.get("DATABASE_URL")
if connection is not None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TURN})
    run_on(connection)
elif database_url:
    asyncio.run(run_online(database_url, attributes.get("patience", TURN_SECONDS)))
else:
    raise SystemExit("DATABASE_URL must name the database to migrate, such as postgresql://user@host/database")
