"""A message as it is shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from markupsafe import Markup
from sqlalchemy import Select, Text, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB

from chat.accounts.person import Person
from chat.database.direct import AnyRow
from chat.files.attachment import FILES, WEIGHS, Attachment, attachments_from
from chat.files.phrase import phrase_of
from chat.ids import MessageId, Position, Revision, RoomId, UserId
from chat.memory import KILOBYTE, size_of
from chat.messages.original import ORIGINAL, Original, original_from
from chat.messages.present_names import MENTIONED, markup_with
from chat.messages.shown_links import LINKS, ShownLink, links_from
from chat.messages.shown_links import WEIGHS as LINK_WEIGHS
from chat.models import messages, users

MOST_NAMES = 20
# Bytes of markup before the last message. A page of ordinary messages has a tenth of it; a page of the longest has
# fewer messages.
MOST_ON_A_PAGE = 256 * KILOBYTE
REACTIONS_WEIGH = 4  # times their bytes in the database, which holds ids where the markup has names


class StoredReaction(TypedDict):
    """An emoji and the people who reacted with it, as a message's row holds them."""

    emoji: str
    by: list[UserId]


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji under a message, and the people who reacted with it, in order."""

    emoji: str
    people: tuple[Person, ...]

    @property
    def names(self) -> str:
        """The people's names as a phrase."""
        names = [person.name for person in self.people[:MOST_NAMES]]
        more = len(self.people) - len(names)
        return ", ".join(names) + (f" and {more} more" if more else "")


@dataclass(frozen=True, slots=True)
class Message:
    """A message. `continues` and `starts_day` are set when it is posted.

    So its markup never depends on the message before it on a page.
    """

    id: MessageId
    room_id: RoomId
    author: Person
    client_id: UUID
    body: Markup
    continues: bool
    starts_day: bool
    position: Position
    posted_revision: Revision
    revision: Revision
    created_at: datetime
    is_edited: bool
    is_deleted: bool
    is_pinned: bool = False
    reactions: tuple[Reaction, ...] = ()
    original: Original | None = None
    files: tuple[Attachment, ...] = ()
    links: tuple[ShownLink, ...] = ()

    @property
    def files_in_words(self) -> str:
        """Its files, for a line that quotes it."""
        return phrase_of(self.files)

    @property
    def size(self) -> int:
        """Estimate its bytes in memory."""
        reacted = sum(len(reaction.people) for reaction in self.reactions)
        return size_of(self.body) + KILOBYTE + WEIGHS * len(self.files) + LINK_WEIGHS * len(self.links) + 100 * reacted


# The names of the people who reacted, beside `messages`; most messages need no look-up.
_REACTING = """
    CASE WHEN messages.reactions <> '[]' THEN (
        SELECT jsonb_object_agg(person.id, person.name) FROM users AS person WHERE person.id = ANY (ARRAY(
            SELECT jsonb_array_elements(each->'by')::bigint FROM jsonb_array_elements(messages.reactions) AS each
        ))
    ) END
"""
REACTING = literal_column(_REACTING, JSONB).label("reacting")


def select_messages() -> Select[Any]:
    """Return a `select` of messages with their authors; callers filter and order it and read rows by `message_from`."""
    author = users.c.name.label("author_name"), users.c.small_picture.label("author_face")
    columns = (REACTING, MENTIONED, ORIGINAL, FILES, LINKS, *author)
    return select(messages, *columns).join(users, users.c.id == messages.c.author_id)


def cut(asked: Select[Any], most_bytes: int, *, by: str, descending: bool = False) -> Select[Any]:
    """Return the first rows of a `select_messages` whose markup fits into `most_bytes`; at least one.

    `by` is the column that `asked` is ordered by. `bytes_in_all` and `asked_in_all` count bytes and rows with those
    that are cut off. PostgreSQL knows the length of a text without reading it.
    """
    found = asked.subquery()
    size = (
        func.octet_length(found.c.body_html)
        + REACTIONS_WEIGH * func.octet_length(cast(found.c.reactions, Text))
        + WEIGHS * found.c.file_count
        + LINK_WEIGHS * found.c.link_count
    )
    order = found.c[by].desc() if descending else found.c[by]
    before = func.sum(size).over(order_by=order, rows=(None, -1))
    in_all = func.sum(size).over().label("bytes_in_all"), func.count().over().label("asked_in_all")
    measured = select(found, before.label("bytes_before"), *in_all).subquery()
    return select(measured).where(func.coalesce(measured.c.bytes_before, 0) < most_bytes)


def message_from(row: AnyRow) -> Message:
    """Return the message in a row of `select_messages`."""
    return Message(
        id=row.id,
        room_id=row.room_id,
        author=Person(row.author_id, row.author_name, face=row.author_face),
        client_id=row.client_id,
        body=Markup(markup_with(row.mentioned or {}, row.body_html)),  # noqa: S704  sanitised when rendered
        continues=row.continues,
        starts_day=row.starts_day,
        position=row.position,
        posted_revision=row.posted_revision,
        revision=row.revision,
        created_at=row.created_at,
        is_edited=row.edited_at is not None,
        is_deleted=row.deleted_at is not None,
        is_pinned=row.pinned_at is not None,
        reactions=tuple(_reaction(each, row.reacting) for each in row.reactions or ()),
        original=original_from(row.original),
        files=attachments_from(row.files),
        links=links_from(row.links),
    )


def _reaction(stored: StoredReaction, names: dict[str, str]) -> Reaction:
    people = tuple(Person(user_id, names[str(user_id)]) for user_id in stored["by"] if str(user_id) in names)
    return Reaction(stored["emoji"], people)
