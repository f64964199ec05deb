"""The installation: its first run, its name and colour, and whether sign-up is open."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from chat.accounts.colours import colour
from chat.accounts.person import version_of
from chat.change import Change
from chat.errors import InvalidInput, NotFound
from chat.live.events import LookChanged, PagesChanged
from chat.models import installation
from chat.templating import fragment


@dataclass(frozen=True, slots=True)
class Installation:
    """This chat's row of `installation`."""

    name: str
    epoch: UUID
    sign_up_open: bool
    rooms_admit_strangers: bool
    people_revision: int
    accent: str | None
    logo: UUID | None

    @property
    def logo_path(self) -> str:
        """The address of the logo, without its size; "" if it is the usual one."""
        return f"/logo/{version_of(self.logo)}" if self.logo else ""


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


async def choose_accent(change: Change, typed: str) -> None:
    """Choose the colour of links and buttons, "" for the usual one; raises `InvalidInput`."""
    chosen = colour(typed)
    if typed and chosen is None:
        raise InvalidInput(accent="Choose a colour such as #336699.")
    await change.connection.execute(update(installation).values(accent=str(chosen)[1:] if chosen else None))
    await tell_look(change)


async def tell_look(change: Change) -> None:
    """Let open pages show the logo and the colour that the chat has now."""
    accent = (await change.connection.execute(select(installation.c.accent))).scalar_one()
    change.tell(LookChanged(fragment("accounts/_look_changed.html", accent=accent or "")))
