"""A message as it is shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup
from sqlalchemy import Row, Select, select

from chat.accounts.person import Person
from chat.ids import MessageId, Position, Revision, RoomId
from chat.messages.markdown import rendered
from chat.models import messages, users


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `continues` and `starts_day` were settled when it was posted, so its markup never depends on
    what stands before it on a page."""

    id: MessageId
    room_id: RoomId
    author: Person
    body: Markup
    continues: bool
    starts_day: bool
    position: Position
    posted_revision: Revision
    revision: Revision
    created_at: datetime
    is_edited: bool
    is_deleted: bool


def select_messages() -> Select[Any]:
    """Messages with their authors, to be narrowed and ordered by the caller and read by `message_from`."""
    return select(messages, users.c.name.label("author_name")).join(users, users.c.id == messages.c.author_id)


def message_from(row: Row[Any]) -> Message:
    """The message in a row of `select_messages`."""
    return Message(
        id=row.id,
        room_id=row.room_id,
        author=Person(row.author_id, row.author_name),
        body=rendered(row.body) if row.body_html is None else Markup(row.body_html),  # noqa: S704  sanitised when made
        continues=row.continues,
        starts_day=row.starts_day,
        position=row.position,
        posted_revision=row.posted_revision,
        revision=row.revision,
        created_at=row.created_at,
        is_edited=row.edited_at is not None,
        is_deleted=row.deleted_at is not None,
    )
