"""Sessions without a sign-in: hashing its password takes 0.2 seconds of CPU time."""

import asyncio
import hashlib
from datetime import UTC, datetime

import asyncpg

from chat.accounts.tokens import REFRESH_LIFETIME, Signer
from tests.support.databases import run
from tests.support.people import Person
from tests.support.server import SECRET_KEY

_OPEN = """
    INSERT INTO sessions (user_id, refresh_hash, expires_at, user_agent)
    SELECT id, '', now() + $2, $3 FROM users WHERE email = $1 RETURNING id
"""


def open_session(person: Person, user_agent: str) -> dict[str, str]:
    """Sign a member in on a browser; returns its cookies."""
    return run(_open_session(person, user_agent))


async def _open_session(person: Person, user_agent: str) -> dict[str, str]:
    signer, now = Signer(SECRET_KEY), datetime.now(UTC)
    connection = await asyncpg.connect(person.server.database_url)
    try:
        async with asyncio.timeout(30), connection.transaction():
            session_id = await connection.fetchval(_OPEN, person.email, REFRESH_LIFETIME, user_agent)
            refresh = signer.refresh_token(session_id, now)
            digest = hashlib.sha256(refresh.encode()).digest()
            await connection.execute("UPDATE sessions SET refresh_hash = $1 WHERE id = $2", digest, session_id)
    finally:
        await connection.close()
    known = {"simplechat-browser": person.client.cookies["simplechat-browser"]}
    return {**known, "simplechat-access": signer.access_token(session_id, now), "simplechat-refresh": refresh}
