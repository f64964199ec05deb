"""Signing up: checking a registration and creating the account."""

import re
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from chat.accounts.hashing import Asker
from chat.accounts.look_alikes import check_look_alikes
from chat.accounts.passwords import ANYBODY, check_password, hash_password
from chat.change import Change
from chat.errors import InvalidInput
from chat.ids import UserId
from chat.live.events import PagesChanged
from chat.models import users
from chat.text import UNREADABLE, checked_name

LONGEST_NAME = 60
LONGEST_EMAIL = 254  # RFC 5321, 4.5.3.1.3
PRODUCT = "simplechat"  # as obvious in a password as the chat's own name

Role = Literal["administrator", "member"]


@dataclass(frozen=True, slots=True)
class Registration:
    """A new person's checked name and address, and the hash of their password."""

    name: str
    email: str
    password_hash: str


def check_registration(name: str, email: str, password: str, chat_name: str) -> None:
    """Check a registration; raises `InvalidInput` for all wrong fields at once."""
    errors: dict[str, str] = {}
    for check in (
        lambda: valid_name(name),
        lambda: valid_email(email),
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
    return Registration(valid_name(name), valid_email(email), await hash_password(password, asker))


async def create_person(change: Change, new: Registration, role: Role) -> UserId:
    """Create an account; raises `InvalidInput` when the e-mail address or the name is taken, whatever their case."""
    statement = (
        insert(users)
        .values(name=new.name, email=new.email, password_hash=new.password_hash, role=role)
        .returning(users.c.id)
    )
    try:
        user_id = UserId((await change.connection.execute(statement)).scalar_one())
    except IntegrityError:
        raise email_taken() from None
    await check_look_alikes(change.connection, new.name, of=user_id)
    change.tell(PagesChanged(("/people",)))
    return user_id


def valid_name(name: str) -> str:
    """Return a person's name as it is stored; raises `InvalidInput`."""
    return checked_name(name, LONGEST_NAME)


def valid_email(email: str) -> str:
    """Return an e-mail address as it is stored; raises `InvalidInput`."""
    email = email.strip()
    # Only a mail sent to an address could prove it; this catches typing errors.
    is_possible = len(email) <= LONGEST_EMAIL and email.isprintable() and UNREADABLE not in email
    if not is_possible or not re.fullmatch(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*", email):
        raise InvalidInput(email="Enter an e-mail address such as name@example.org.")
    return email


def email_taken() -> InvalidInput:
    """Return the error for an address that has an account."""
    return InvalidInput(email="Somebody has already signed up with this e-mail address.")
