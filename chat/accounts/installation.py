"""The installation itself: its first run, its name, and who may sign up."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.errors import NotFound
from chat.models import installation


@dataclass(frozen=True, slots=True)
class Installation:
    """The one row that describes this chat."""

    name: str
    epoch: UUID
    sign_up_open: bool
    invite_token: str | None
    people_revision: int

    def admits(self, invite: str) -> bool:
        """Whether somebody may sign up, with or without an invite link's token."""
        return self.sign_up_open or self.is_invite(invite)

    def is_invite(self, token: str) -> bool:
        """Whether a link with this token is the one in force."""
        return self.invite_token is not None and secrets.compare_digest(token.encode(), self.invite_token.encode())


async def installation_of(connection: AsyncConnection) -> Installation | None:
    """The installation, or None before its first run."""
    row = (await connection.execute(select(installation))).one_or_none()
    return Installation(row.name, row.epoch, row.sign_up_open, row.invite_token, row.people_revision) if row else None


async def create_installation(connection: AsyncConnection, name: str) -> None:
    """Claim the empty database; raises `NotFound` when somebody else has just done so."""
    try:
        await connection.execute(insert(installation).values(name=name))
    except IntegrityError:
        raise NotFound from None


async def open_sign_up(connection: AsyncConnection, is_open: bool) -> None:
    """Let everybody sign up, or only those with the invite link."""
    await connection.execute(update(installation).values(sign_up_open=is_open))


async def reset_invite(connection: AsyncConnection) -> None:
    """Make a new invite link; the old one stops working."""
    await connection.execute(update(installation).values(invite_token=secrets.token_urlsafe(18)))
