"""The set-up code. It is in the console or log, so only the person who runs the chat can make the first account."""

import base64
import hmac

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.database.engine import create_engine
from chat.models import installation
from chat.settings import Settings

CODE_CHARACTERS = 26  # of 5 bits each

# New tables, in this database or another, get another number, so that an old link does not work for them.
_TABLES = text("SELECT 'installation'::regclass::oid::bigint")


async def set_up_code(connection: AsyncConnection, settings: Settings) -> str:
    """Return the code that opens the first run, the same in every process and on every machine of an installation."""
    if settings.setup_code is not None:
        return settings.setup_code
    tables = (await connection.execute(_TABLES)).scalar_one()
    made = hmac.digest(settings.secret_key.encode(), f"set-up code {tables}".encode(), "sha256")
    return base64.b32encode(made).decode().lower()[:CODE_CHARACTERS]


async def is_set_up_code(connection: AsyncConnection, settings: Settings, code: str) -> bool:
    """Tell whether this code may set the chat up."""
    expected = await set_up_code(connection, settings)
    return hmac.compare_digest(code.strip().encode(errors="replace"), expected.encode())


async def set_up_invitation(connection: AsyncConnection, settings: Settings) -> str:
    """Return the log line that says how to set the chat up."""
    address = f"{settings.public_url or f'http://localhost:{settings.port}'}/first-run"
    if settings.setup_code is not None:
        return f"This chat is not set up yet. Open {address} and enter SETUP_CODE."
    return f"This chat is not set up yet. Set it up at {address}?code={await set_up_code(connection, settings)}"


async def invitation_at_start(database_url: str, settings: Settings) -> str | None:
    """Return the line of `set_up_invitation` for the console, None once set up; raises `DatabaseUnavailable`."""
    engine = create_engine(database_url)
    try:
        async with engine.connect() as connection:
            if (await connection.execute(select(installation.c.id))).one_or_none() is not None:
                return None
            return await set_up_invitation(connection, settings)
    finally:
        await engine.dispose()
