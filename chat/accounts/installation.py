"""The installation: its first run, its name, and whether sign-up is open."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from chat.change import Change
from chat.errors import NotFound
from chat.live.events import PagesChanged
from chat.models import installation


@dataclass(frozen=True, slots=True)
class Installation:
    """This chat's row of `installation`."""

    name: str
    epoch: UUID
    sign_up_open: bool
    rooms_admit_strangers: bool
    people_revision: int


async def create_installation(change: Change, name: str) -> None:
    """Claim the empty database; raises `NotFound` when another person has just done so."""
    try:
        await change.connection.execute(insert(installation).values(name=name))
    except IntegrityError:
        raise NotFound from None


async def open_sign_up(change: Change, is_open: bool, *, rooms_admit_strangers: bool) -> None:
    """Open sign-up to all visitors, or limit it to invite links: the chat's link, or also those of rooms."""
    chosen = {"sign_up_open": is_open, "rooms_admit_strangers": rooms_admit_strangers}
    await change.connection.execute(update(installation).values(chosen))
    change.tell(PagesChanged(("/admin", "/admin/invites")))
