"""A person's status: an emoji and some words, for a while."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import emoji
from sqlalchemy import Label, Text, func, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.change import Change
from chat.database.direct import DirectStatement, Source
from chat.errors import InvalidInput
from chat.ids import UserId
from chat.live.events import StatusChanged
from chat.models import users
from chat.text import single_line

LONGEST = 80
MOST_TOLD = 1000

DURATIONS = {
    "30": "For 30 minutes",
    "60": "For an hour",
    "240": "For four hours",
    "today": "Today",
    "week": "For a week",
    "always": "Until you change it",
}
# Suggestions, each one click away.
USUAL = (
    ("🍵", "Back soon", "30"),
    ("📅", "In a meeting", "60"),
    ("🎧", "Please do not disturb", "240"),
    ("🏠", "Working from home", "today"),
    ("🤒", "Not well", "today"),
    ("🌴", "On holiday", "week"),
)

# For SELECTs from `users`, also those written as text.
STATUS = """CASE WHEN coalesce(users.status_until > now(), true)
    THEN concat_ws(' ', nullif(users.status_emoji, ''), nullif(users.status_text, '')) ELSE '' END"""

_LASTS = or_(users.c.status_until.is_(None), users.c.status_until > func.now())
_EMOJI = DirectStatement(
    select(users.c.id, users.c.status_emoji)
    .where(users.c.status_emoji != literal_column("''"), _LASTS)  # a parameter would hide the index
    .order_by(users.c.id)
    .limit(MOST_TOLD)
)


@dataclass(frozen=True, slots=True)
class Status:
    """A status as it is stored; `until` is when it ends, None for never."""

    emoji: str = ""
    text: str = ""
    until: datetime | None = None


def valid_status(face: str, words: str, duration: str, now: datetime) -> Status:
    """Return a status made of an emoji or its shortcode, some words and a key of `DURATIONS`; raises `InvalidInput`.

    The duration "today" ends at midnight in the time zone of `now`.
    """
    face, words = _emoji(face), single_line(words)
    errors = {}
    if face and not emoji.is_emoji(face):
        errors["emoji"] = "Choose one emoji, such as 🌴 or :palm_tree:."
    if len(words) > LONGEST:
        errors["text"] = f"Use at most {LONGEST} characters."
    if duration not in DURATIONS:
        errors["until"] = "Choose how long the status lasts."
    if errors:
        raise InvalidInput(**errors)
    return Status(face, words, _end(duration, now))


def status_in(text: str) -> Status:
    """Return the status in a line that may begin with an emoji, without an end; raises `InvalidInput` for `text`."""
    face, _, words = single_line(text).partition(" ")
    if not emoji.is_emoji(_emoji(face)):
        face, words = "", text
    return valid_status(face, words, "always", datetime.now(UTC))


def _emoji(name: str) -> str:
    # A longer text, with enough colons in it, would take a tenth of a second.
    return emoji.emojize(name.strip(), language="alias") if len(name) <= LONGEST else name


def _end(duration: str, now: datetime) -> datetime | None:
    if duration == "always":
        return None
    if duration == "today":
        return datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
    return now + (timedelta(weeks=1) if duration == "week" else timedelta(minutes=int(duration)))


async def set_status(change: Change, user_id: UserId, status: Status) -> None:
    """Set a person's status; an empty one clears it."""
    values = {"status_emoji": status.emoji, "status_text": status.text, "status_until": status.until}
    await change.connection.execute(update(users).where(users.c.id == user_id).values(values))
    change.tell(StatusChanged(user_id))


async def status_of(connection: AsyncConnection, user_id: UserId) -> Status:
    """Return a person's status, an empty one when it has ended."""
    kept = select(users.c.status_emoji, users.c.status_text, users.c.status_until).where(users.c.id == user_id, _LASTS)
    row = (await connection.execute(kept)).one_or_none()
    return Status(*row) if row else Status()


async def current_status_emoji(source: Source) -> dict[UserId, str]:
    """Return the emoji in the current statuses of all people, of a thousand at most."""
    return {UserId(row.id): row.status_emoji for row in await _EMOJI.rows(source)}


def status_column() -> Label[str]:
    """Return a column of a `select` from `users`: the emoji and the words of a status, "" when it has ended."""
    return literal_column(STATUS, Text).label("status")
