"""Credentials: checking an address and a password, and changing them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat import audit
from chat.accounts.hashing import Asker
from chat.accounts.passwords import ANYBODY, check_password, hash_password, verify_password
from chat.accounts.person import Visitor
from chat.accounts.sessions import revoke_other_sessions
from chat.accounts.sign_up import PRODUCT, email_taken, valid_email
from chat.change import Change
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.folding import folded
from chat.ids import UserId
from chat.models import users
from chat.text import is_storable


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account's credentials at the time they were checked."""

    user_id: UserId
    email: str
    password_hash: str


@dataclass(frozen=True, slots=True)
class NewEmail:
    """A new address, and the hash that the password was compared with."""

    compared_hash: str
    email: str


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A new password's hash, and the hash that the current password was compared with."""

    compared_hash: str
    password_hash: str


async def authenticate(database: AsyncEngine, email: str, password: str, asker: Asker = ANYBODY) -> Credentials:
    """Check an address and a password, and return the account's credentials.

    Raises `TooManyRequests` if the queue is full, and `InvalidInput`, the same after about the same time, for an
    unknown address and a wrong password. No connection is held while the hash is computed: many sign-ins must not block
    signed-in people.
    """
    email = folded(email.strip())
    statement = select(users.c.id, users.c.password_hash).where(func.folded(users.c.email) == email)
    async with reading(database) as connection:
        row = (await connection.execute(statement)).one_or_none() if is_storable(email) else None
    if not await verify_password(password, row.password_hash if row else None, asker) or row is None:
        raise _no_match()
    return Credentials(row.id, email, row.password_hash)


async def confirm(connection: AsyncConnection, credentials: Credentials) -> UserId:
    """Return the account of these credentials; raises `InvalidInput` if they have changed since.

    A change of the credentials waits until this transaction ends, and then ends the session opened in it.
    """
    mine = (users.c.id == credentials.user_id) & (func.folded(users.c.email) == credentials.email)
    unchanged = mine & (users.c.password_hash == credentials.password_hash)
    row = (await connection.execute(select(users.c.id).where(unchanged).with_for_update(read=True))).one_or_none()
    if row is None:
        raise _no_match()
    return credentials.user_id


async def check_new_password(
    database: AsyncEngine, visitor: Visitor, current: str, new: str, *, chat_name: str, asker: Asker = ANYBODY
) -> NewPassword:
    """Check the visitor's current password and hash a new one; raises `InvalidInput` for the wrong field.

    Needs no connection while it hashes.
    """
    compared = await _check_own_password(database, visitor.id, current, "current_password", asker)
    check_password(new, (visitor.name, visitor.email, chat_name, PRODUCT))
    return NewPassword(compared, await hash_password(new, asker))


async def change_password(change: Change, visitor: Visitor, new: NewPassword) -> int:
    """Change the visitor's password and end their other sessions; returns how many ended. Raises `InvalidInput`."""
    statement = update(users).where(_still_has(visitor.id, new.compared_hash)).values(password_hash=new.password_hash)
    if not (await change.connection.execute(statement)).rowcount:
        raise _not_current("current_password")
    return await revoke_other_sessions(change, visitor.id, visitor.session_id, datetime.now(UTC))


async def check_new_email(
    database: AsyncEngine, visitor: Visitor, password: str, email: str, asker: Asker = ANYBODY
) -> NewEmail:
    """Check the visitor's password and a new address; raises `InvalidInput`, for the password as `email_password`."""
    email = valid_email(email)
    return NewEmail(await _check_own_password(database, visitor.id, password, "email_password", asker), email)


async def change_email(change: Change, visitor: Visitor, new: NewEmail) -> int:
    """Change the address the visitor signs in with and end their other sessions; returns how many ended.

    Raises `InvalidInput`.
    """
    statement = update(users).where(_still_has(visitor.id, new.compared_hash)).values(email=new.email)
    try:
        if not (await change.connection.execute(statement)).rowcount:
            raise _not_current("email_password")
    except IntegrityError:
        raise email_taken() from None
    return await revoke_other_sessions(change, visitor.id, visitor.session_id, datetime.now(UTC))


async def _check_own_password(database: AsyncEngine, user_id: UserId, password: str, field: str, asker: Asker) -> str:
    """Return the hash that the password was compared with."""
    async with database.connect() as connection:
        statement = select(users.c.password_hash).where(users.c.id == user_id)
        kept: str = (await connection.execute(statement)).scalar_one()
    if not await verify_password(password, kept, asker):
        audit.record("own_password_failed")
        raise _not_current(field)
    return kept


def _still_has(user_id: UserId, password_hash: str) -> ColumnElement[bool]:
    # Hashing takes a while. Meanwhile the owner may have changed a password that was stolen.
    return (users.c.id == user_id) & (users.c.password_hash == password_hash)


def _not_current(field: str) -> InvalidInput:
    return InvalidInput(**{field: "This is not your current password."})


def _no_match() -> InvalidInput:
    return InvalidInput(form="E-mail and password do not match. Check both and try again.")
