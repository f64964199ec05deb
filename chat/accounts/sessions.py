"""Sessions: one row for each sign-in, refreshed silently, revoked at once."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    LargeBinary,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from chat import audit
from chat.accounts.installation import Installation
from chat.accounts.person import Visitor
from chat.accounts.status import STATUS
from chat.accounts.tokens import REFRESH_LIFETIME, Signer, Tokens
from chat.accounts.user_agents import Agent, agent_of
from chat.change import Change
from chat.database.direct import AnyRow, DirectStatement, Source
from chat.errors import NotFound
from chat.ids import SessionId, UserId
from chat.live.events import SessionsEnded
from chat.models import sessions

# Tabs that refresh at the same moment present the same token. Later, the same token means a lost response or theft.
SAME_MOMENT = timedelta(seconds=60)
MOST_LISTED = 50
KEPT_AFTER_END = timedelta(days=30)
DELETED_AT_ONCE = 1000
MOMENT = DateTime(timezone=True)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A browser that a person is signed in on."""

    session_id: SessionId
    agent: Agent
    is_this: bool
    signed_in_at: datetime
    last_used_at: datetime


_VISITOR = f"""sessions.id AS session_id, users.id, users.name, users.email, users.role, users.rooms_by,
    users.unread_first, users.theme, users.time_zone, users.hours, users.skin_tone, users.small_picture AS face,
    {STATUS} AS status"""

# The versions of a session's and its person's rows, which PostgreSQL names by the transactions that wrote them, and
# whether the status still lasts.
_OWN_VERSION = "concat_ws(' ', sessions.xmin, users.xmin, coalesce(users.status_until > now(), true))"
# The version of all that `_VISITORS` returns for a session, for statements that name it `:session_id`; NULL after its
# end. A visitor with the same version need not be looked up.
VERSION = f"""(
    SELECT concat_ws(' ', installation.xmin, {_OWN_VERSION})
    FROM installation, sessions JOIN users ON users.id = sessions.user_id
    WHERE sessions.id = :session_id AND revoked_at IS NULL AND expires_at > now()
)"""  # noqa: S608  of constants

# Runs with almost every request.
_VISITORS = DirectStatement(
    text(f"""
    SELECT installation.name AS installation_name, epoch, sign_up_open, rooms_admit_strangers, people_revision, accent,
        installation.small_picture AS logo, visitor.*, concat_ws(' ', installation.xmin, own_version) AS version
    FROM installation LEFT JOIN (
        SELECT {_VISITOR}, {_OWN_VERSION} AS own_version FROM sessions JOIN users ON users.id = sessions.user_id
        WHERE sessions.id = ANY (:session_ids) AND revoked_at IS NULL AND expires_at > :now
    ) AS visitor ON true
""").bindparams(  # noqa: S608  of constants
        bindparam("session_ids", type_=ARRAY(BigInteger)), bindparam("now", type_=MOMENT)
    )
)

_SESSION = f"""
    SELECT {_VISITOR}, refresh_hash, previous_refresh_hash, refreshed_at
    FROM sessions JOIN users ON users.id = sessions.user_id
    WHERE sessions.id = :session_id AND revoked_at IS NULL AND expires_at > :now
"""  # noqa: S608  of constants
_SESSION_PARAMETERS = (bindparam("session_id", type_=BigInteger), bindparam("now", type_=MOMENT))
_YOUNG_SESSION = text(f"{_SESSION} AND sessions.created_at > :oldest FOR UPDATE OF sessions").bindparams(
    *_SESSION_PARAMETERS, bindparam("oldest", type_=MOMENT)
)
_SESSION_OF_TOKEN = text(f"""
    {_SESSION} AND (refresh_hash = :digest OR previous_refresh_hash = :digest AND refreshed_at > :moment_ago)
""").bindparams(*_SESSION_PARAMETERS, bindparam("digest", type_=LargeBinary), bindparam("moment_ago", type_=MOMENT))


async def open_session(
    change: Change,
    signer: Signer,
    user_id: UserId,
    user_agent: str,
    now: datetime,
    *,
    longest: timedelta,
    instead_of: SessionId | None = None,
) -> Tokens:
    """Sign a person in on a browser, for `longest` at most; ends the session that the browser had before."""
    statement = (
        insert(sessions)
        .values(user_id=user_id, refresh_hash=b"", user_agent=user_agent[:300], expires_at=now, created_at=now)
        .returning(sessions.c.id)
    )
    session_id = SessionId((await change.connection.execute(statement)).scalar_one())
    if instead_of is not None:
        await revoke_session(change, instead_of, now)
    return await _rotate(change.connection, signer, session_id, now, longest, previous=None)


async def installation_and_visitors(
    source: Source, session_ids: Collection[SessionId], now: datetime
) -> tuple[Installation | None, dict[SessionId, Visitor]]:
    """Return the installation, and the visitors of these sessions, by one query for every request.

    The installation is None before its first run; revoked and expired sessions are left out.
    """
    rows = await _VISITORS.rows(source, session_ids=list(session_ids), now=now)
    if not rows:
        return None, {}
    first = rows[0]
    found = Installation(
        first.installation_name,
        first.epoch,
        first.sign_up_open,
        first.rooms_admit_strangers,
        first.people_revision,
        first.accent,
        first.logo,
    )
    return found, {row.session_id: _visitor(row, row.version) for row in rows if row.session_id is not None}


async def refresh_session(
    change: Change, signer: Signer, token: str, now: datetime, *, longest: timedelta
) -> tuple[Visitor, Tokens | None] | None:
    """Return the visitor of a refresh token and the tokens that replace it; None when the token is no longer valid.

    A session ends `longest` after its sign-in, however much it is used (OWASP ASVS 5.0, 7.3.2).
    The tokens are None when another request has just rotated this one, because its response brings them. A token
    rotated twice or more was copied, so its whole session ends (RFC 9700, 4.14.2).
    """
    session_id = signer.session_of(token, "refresh")
    if session_id is None:
        return None
    values = {"session_id": session_id, "now": now, "oldest": now - longest}
    row = (await change.connection.execute(_YOUNG_SESSION, values)).one_or_none()
    if row is None:
        return None
    presented = _digest(token)
    if presented == row.previous_refresh_hash and now - row.refreshed_at < SAME_MOMENT:
        return _visitor(row), None
    if presented not in (row.refresh_hash, row.previous_refresh_hash):
        audit.record("session_copied", user_id=row.id, session_id=session_id)
        await revoke_session(change, session_id, now)
        return None
    return _visitor(row), await _rotate(change.connection, signer, session_id, now, longest, previous=presented)


async def visitor_of_refresh_token(
    connection: AsyncConnection, signer: Signer, token: str, now: datetime
) -> Visitor | None:
    """Return the visitor of a refresh token without rotating it: a websocket handshake may not set cookies.

    A replaced token works only for `SAME_MOMENT`, while the browser may not have received the new one.
    """
    session_id = signer.session_of(token, "refresh")
    if session_id is None:
        return None
    values = {"session_id": session_id, "now": now, "digest": _digest(token), "moment_ago": now - SAME_MOMENT}
    row = (await connection.execute(_SESSION_OF_TOKEN, values)).one_or_none()
    return _visitor(row) if row else None


async def is_open(connection: AsyncConnection, session_id: SessionId) -> bool:
    """Tell whether a session has neither ended nor expired."""
    is_valid = sessions.c.revoked_at.is_(None) & (sessions.c.expires_at > func.now())
    found = await connection.execute(select(sessions.c.id).where(sessions.c.id == session_id, is_valid))
    return found.one_or_none() is not None


async def revoke_session(change: Change, session_id: SessionId, now: datetime) -> None:
    """End a session."""
    await change.connection.execute(update(sessions).where(sessions.c.id == session_id).values(revoked_at=now))
    change.tell(SessionsEnded((session_id,)))


async def revoke_other_sessions(change: Change, user_id: UserId, kept: SessionId, now: datetime) -> int:
    """End all sessions of a person but one, as after a change of password; returns how many ended."""
    statement = (
        update(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.id != kept, sessions.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(sessions.c.id)
    )
    ended = tuple((await change.connection.execute(statement)).scalars())
    change.tell(SessionsEnded(ended))
    return len(ended)


async def revoke_own_session(change: Change, user_id: UserId, session_id: SessionId, now: datetime) -> None:
    """End one of a person's own sessions; raises `NotFound` for any other."""
    mine = (sessions.c.id == session_id) & (sessions.c.user_id == user_id) & sessions.c.revoked_at.is_(None)
    ended = await change.connection.execute(update(sessions).where(mine).values(revoked_at=now))
    if not ended.rowcount:
        raise NotFound
    change.tell(SessionsEnded((session_id,)))


async def sessions_of(connection: AsyncConnection, visitor: Visitor, now: datetime) -> list[OpenSession]:
    """Return the visitor's first 50 sessions: this one first, then by last use."""
    is_this = sessions.c.id == visitor.session_id
    statement = (
        select(sessions)
        .where(sessions.c.user_id == visitor.id, sessions.c.revoked_at.is_(None), sessions.c.expires_at > now)
        .order_by(is_this.desc(), sessions.c.refreshed_at.desc(), sessions.c.id.desc())
        .limit(MOST_LISTED)
    )
    return [
        OpenSession(row.id, agent_of(row.user_agent), row.id == visitor.session_id, row.created_at, row.refreshed_at)
        for row in await connection.execute(statement)
    ]


async def delete_ended_sessions(connection: AsyncConnection, now: datetime) -> int:
    """Delete a batch of the sessions that ended long ago; returns how many."""
    long_ago = now - KEPT_AFTER_END
    ended = (sessions.c.revoked_at < long_ago) | (sessions.c.expires_at < long_ago)
    # Several processes may delete at the same time: each skips rows that another has locked.
    some = select(sessions.c.id).where(ended).limit(DELETED_AT_ONCE).with_for_update(skip_locked=True)
    return (await connection.execute(delete(sessions).where(sessions.c.id.in_(some)))).rowcount


async def _rotate(
    connection: AsyncConnection,
    signer: Signer,
    session_id: SessionId,
    now: datetime,
    longest: timedelta,
    *,
    previous: bytes | None,
) -> Tokens:
    tokens = Tokens(signer.access_token(session_id, now), signer.refresh_token(session_id, now))
    await connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id)
        .values(
            refresh_hash=_digest(tokens.refresh),
            previous_refresh_hash=previous,
            refreshed_at=now,
            expires_at=func.least(literal(now + REFRESH_LIFETIME, MOMENT), sessions.c.created_at + longest),
        )
    )
    return tokens


def _visitor(row: AnyRow, version: str = "") -> Visitor:
    return Visitor(
        id=row.id,
        name=row.name,
        status=row.status,
        face=row.face,
        email=row.email,
        is_administrator=row.role == "administrator",
        session_id=row.session_id,
        rooms_by=row.rooms_by,
        unread_first=row.unread_first,
        theme=row.theme,
        time_zone=row.time_zone,
        hours=row.hours,
        skin_tone=row.skin_tone,
        version=version,
    )


def _digest(token: str) -> bytes:
    # A plain hash is enough: the token's 128 random bits cannot be guessed.
    return hashlib.sha256(token.encode()).digest()
