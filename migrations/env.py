"""Alembic's entry: runs the migrations over the same asyncpg engine as the chat."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection

from chat.database.engine import create_engine
from chat.database.schema import revision_of
from chat.models import metadata


def run_on(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        # Two nodes deployed at the same moment take turns.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7463920)")
        context.run_migrations()


async def run_online(database_url: str) -> None:
    engine = create_engine(database_url)
    try:
        async with engine.connect() as connection:
            before = await connection.run_sync(revision_of)
            await connection.run_sync(run_on)
            await connection.commit()
            after = await connection.run_sync(revision_of)
    finally:
        await engine.dispose()
    print(f"The tables are at revision {after or 'none'} (were at {before or 'none'}).", flush=True)  # noqa: T201


connection = context.config.attributes.get("connection")
database_url = context.config.attributes.get("database_url") or os.environ.get("DATABASE_URL")
if connection is not None:
    run_on(connection)
elif database_url:
    asyncio.run(run_online(database_url))
else:
    raise SystemExit("DATABASE_URL must name the database to migrate, such as postgresql://user@host/database")
