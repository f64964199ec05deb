"""People: signing up, signing in, the own profile, finding others."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat import audit
from chat.accounts.hashing import Asker
from chat.accounts.passwords import ANYBODY, check_password, hash_password, verify_password
from chat.accounts.person import Person, Visitor
from chat.accounts.sessions import revoke_other_sessions
from chat.accounts.status import status_column
from chat.database.engine import contains, is_one_of, reading
from chat.errors import InvalidInput, NotFound
from chat.ids import SessionId, UserId
from chat.models import installation, users
from chat.text import UNREADABLE, checked_name, is_storable

LONGEST_NAME = 60
LONGEST_EMAIL = 254  # RFC 5321, 4.5.3.1.3
PAGE = 200
PRODUCT = "simplechat"  # as obvious in a password as the chat's own name

Role = Literal["administrator", "member"]


@dataclass(frozen=True, slots=True)
class Registration:
    """What somebody signs up with, checked, the password already hashed."""

    name: str
    email: str
    password_hash: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account's credentials at the time they were checked."""

    user_id: UserId
    email: str
    password_hash: str


def check_registration(name: str, email: str, password: str, chat_name: str) -> None:
    """Check a registration; raises `InvalidInput` with all wrong fields at once."""
    errors: dict[str, str] = {}
    for check in (
        lambda: valid_name(name),
        lambda: _valid_email(email),
        lambda: check_password(password, (name, email, chat_name, PRODUCT)),
    ):
        try:
            check()
        except InvalidInput as invalid:
            errors |= invalid.errors
    if errors:
        raise InvalidInput(**errors)


async def registration(name: str, email: str, password: str, chat_name: str, asker: Asker = ANYBODY) -> Registration:
    """Make a registration from a form's values. Needs no database connection.

    Raises `InvalidInput` as `check_registration` does, and `TooManyRequests`.
    """
    check_registration(name, email, password, chat_name)
    return Registration(valid_name(name), _valid_email(email), await hash_password(password, asker))


async def create_person(connection: AsyncConnection, new: Registration, role: Role) -> UserId:
    """Sign somebody up; raises `InvalidInput` when the e-mail address is taken, in letters of either case."""
    statement = (
        insert(users)
        .values(name=new.name, email=new.email, password_hash=new.password_hash, role=role)
        .returning(users.c.id)
    )
    try:
        return UserId((await connection.execute(statement)).scalar_one())
    except IntegrityError:
        raise _email_taken() from None


async def authenticate(database: AsyncEngine, email: str, password: str, asker: Asker = ANYBODY) -> Credentials:
    """Who signs in; raises the same `InvalidInput`, after about the same time, for unknown people and wrong passwords.

    Raises `TooManyRequests` if the queue is full.
    No connection is held while the hash is computed: many sign-ins must not block signed-in people.
    """
    email = email.strip().lower()
    statement = select(users.c.id, users.c.password_hash).where(func.lower(users.c.email) == email)
    async with reading(database) as connection:
        row = (await connection.execute(statement)).one_or_none() if is_storable(email) else None
    if not await verify_password(password, row.password_hash if row else None, asker) or row is None:
        raise _no_match()
    return Credentials(row.id, email, row.password_hash)


async def confirm(connection: AsyncConnection, credentials: Credentials) -> UserId:
    """Return the account of these credentials; raises `InvalidInput` if they have changed since.

    A change of them waits until this transaction ends, and then ends the session opened in it.
    """
    mine = (users.c.id == credentials.user_id) & (func.lower(users.c.email) == credentials.email)
    unchanged = mine & (users.c.password_hash == credentials.password_hash)
    row = (await connection.execute(select(users.c.id).where(unchanged).with_for_update(read=True))).one_or_none()
    if row is None:
        raise _no_match()
    return credentials.user_id


async def rename_person(connection: AsyncConnection, user_id: UserId, name: str) -> None:
    """Change one's own name; raises `InvalidInput`."""
    await connection.execute(update(users).where(users.c.id == user_id).values(name=valid_name(name)))
    await connection.execute(update(installation).values(people_revision=installation.c.people_revision + 1))


async def change_password(
    database: AsyncEngine, visitor: Visitor, current: str, new: str, *, chat_name: str, asker: Asker = ANYBODY
) -> list[SessionId]:
    """Change the visitor's password and end their other sessions, which are returned.

    Raises `InvalidInput` naming the field that is wrong.
    """
    kept = await _check_own_password(database, visitor.id, current, "current_password", asker)
    check_password(new, (visitor.name, visitor.email, chat_name, PRODUCT))
    replaced = await hash_password(new, asker)
    async with database.begin() as connection:
        statement = update(users).where(_still_has(visitor.id, kept)).values(password_hash=replaced)
        if not (await connection.execute(statement)).rowcount:
            raise _not_current("current_password")
        return await revoke_other_sessions(connection, visitor.id, visitor.session_id, datetime.now(UTC))


async def change_email(
    database: AsyncEngine, visitor: Visitor, password: str, email: str, asker: Asker = ANYBODY
) -> list[SessionId]:
    """Change the address the visitor signs in with and end their other sessions, which are returned.

    Raises `InvalidInput`, for the password as `email_password`.
    """
    email = _valid_email(email)
    kept = await _check_own_password(database, visitor.id, password, "email_password", asker)
    try:
        async with database.begin() as connection:
            statement = update(users).where(_still_has(visitor.id, kept)).values(email=email)
            if not (await connection.execute(statement)).rowcount:
                raise _not_current("email_password")
            return await revoke_other_sessions(connection, visitor.id, visitor.session_id, datetime.now(UTC))
    except IntegrityError:
        raise _email_taken() from None


async def find_people(connection: AsyncConnection, query: str) -> list[Person]:
    """People whose name contains `query`, by name; the first 200."""
    statement = (
        select(users.c.id, users.c.name, status_column())
        .where(contains(users.c.name, query))
        .order_by(func.lower(users.c.name), users.c.id)
        .limit(PAGE)
    )
    return [Person(row.id, row.name, row.status) for row in await connection.execute(statement)]


async def people_by_ids(connection: AsyncConnection, user_ids: Collection[UserId]) -> list[Person]:
    """Those of these people who exist, by name."""
    statement = (
        select(users.c.id, users.c.name, status_column())
        .where(is_one_of(users.c.id, user_ids))
        .order_by(func.lower(users.c.name), users.c.id)
    )
    return [Person(row.id, row.name, row.status) for row in await connection.execute(statement)]


async def person_by_id(connection: AsyncConnection, user_id: UserId) -> Person:
    """One person; raises `NotFound`."""
    row = (
        await connection.execute(select(users.c.id, users.c.name, status_column()).where(users.c.id == user_id))
    ).one_or_none()
    if row is None:
        raise NotFound
    return Person(row.id, row.name, row.status)


async def time_zone_of(connection: AsyncConnection, user_id: UserId) -> str | None:
    """Where somebody's clock stands, if they have said so."""
    zone: str | None = (await connection.execute(select(users.c.time_zone).where(users.c.id == user_id))).scalar()
    return zone


def valid_name(name: str) -> str:
    """A person's name as it is kept; raises `InvalidInput`."""
    return checked_name(name, LONGEST_NAME)


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
    # A change takes as long as a hash or two. Meanwhile the owner may change the password, because others know it.
    return (users.c.id == user_id) & (users.c.password_hash == password_hash)


def _not_current(field: str) -> InvalidInput:
    return InvalidInput(**{field: "This is not your current password."})


def _no_match() -> InvalidInput:
    return InvalidInput(form="E-mail and password do not match. Check both and try again.")


def _email_taken() -> InvalidInput:
    return InvalidInput(email="Somebody has already signed up with this e-mail address.")


def _valid_email(email: str) -> str:
    email = email.strip()
    # Only a message sent to it could prove an address; this catches what people mistype.
    is_possible = len(email) <= LONGEST_EMAIL and email.isprintable() and UNREADABLE not in email
    if not is_possible or not re.fullmatch(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*", email):
        raise InvalidInput(email="Enter an e-mail address such as name@example.org.")
    return email
