"""The original of an answer: the message it replies to, and the line above the answer that shows it."""

from dataclasses import dataclass
from typing import TypedDict

from sqlalchemy import literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Person
from chat.files.kinds import Sort, sort_of
from chat.files.phrase import phrase_of
from chat.ids import MessageId, Revision, RoomId, UserId
from chat.messages.markdown import plain
from chat.models import memberships, messages

LENGTH = 140  # characters; static/js/messages.js cuts at the same place
_READ = 2000  # characters of the original's markup

# An original as JSON, from its row and its author's, called `person`.
QUOTED = f"""
    jsonb_build_object('id', original.id, 'author_id', person.id, 'author_name', person.name,
        'revision', original.revision, 'is_deleted', original.deleted_at IS NOT NULL,
        'html', left(original.body_html, {_READ}), 'files', CASE WHEN original.file_count > 0 THEN (
            SELECT jsonb_agg(jsonb_build_object('name', name, 'kind', kind, 'width', width) ORDER BY place)
            FROM files WHERE message_id = original.id) END)
"""  # noqa: S608  of a constant
# Beside `messages`; most messages need no look-up. A room shows nothing of another room.
_ORIGINAL = f"""
    CASE WHEN messages.reply_to_id IS NOT NULL THEN (
        SELECT {QUOTED}
        FROM messages AS original JOIN users AS person ON person.id = original.author_id
        WHERE original.id = messages.reply_to_id AND original.room_id = messages.room_id
    ) END
"""  # noqa: S608  of constants
ORIGINAL = literal_column(_ORIGINAL, JSONB).label("original")


@dataclass(frozen=True, slots=True)
class Original:
    """A message that is answered, as it was at `revision`."""

    id: MessageId
    author: Person
    text: str
    revision: Revision


class _StoredFile(TypedDict):
    name: str
    kind: str
    width: int | None


class StoredOriginal(TypedDict):
    """An original as PostgreSQL returns it."""

    id: MessageId
    author_id: UserId
    author_name: str
    revision: Revision
    is_deleted: bool
    html: str
    files: list[_StoredFile] | None


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    sort: Sort


def original_from(stored: StoredOriginal | None) -> Original | None:
    """Return the original in a row of `select_messages`."""
    if stored is None:
        return None
    words = plain(stored["html"], {"blockquote"}) or plain(stored["html"]) or _files_of(stored)
    text = "This message was deleted." if stored["is_deleted"] else words[:LENGTH]
    return Original(stored["id"], Person(stored["author_id"], stored["author_name"]), text, stored["revision"])


def _files_of(stored: StoredOriginal) -> str:
    files = stored["files"] or []
    return phrase_of([_File(file["name"], sort_of(file["kind"], file["width"])) for file in files])


async def author_of(connection: AsyncConnection, room_id: RoomId, message_id: MessageId) -> UserId | None:
    """Return the author of a message; None if there is no such message in the room, or they have left the room."""
    is_there = (memberships.c.room_id == room_id) & (memberships.c.user_id == messages.c.author_id)
    statement = (
        select(messages.c.author_id)
        .join(memberships, is_there)
        .where(messages.c.id == message_id, messages.c.room_id == room_id)
    )
    return (await connection.execute(statement)).scalar_one_or_none()
