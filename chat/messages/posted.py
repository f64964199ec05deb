"""Messages to be posted, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from markupsafe import Markup

from chat.accounts.person import Author, Person, Visitor
from chat.database.direct import AnyRow
from chat.files.attachment import Chosen
from chat.ids import MessageId, RoomId
from chat.messages.markdown import Written
from chat.messages.message import Message
from chat.messages.rendering import markup_of, new_markup_of


@dataclass(frozen=True, slots=True)
class Post:
    """A message to be posted. `visitor` is told why, if it is refused."""

    author: Author
    room_id: RoomId
    body: str
    written: Written
    client_id: UUID
    reply_to: MessageId | None = None
    files: tuple[Chosen, ...] = ()
    trace: str = ""
    origin: str = ""
    visitor: Visitor | None = None


class NotPosted(Exception):
    """A text was not posted, and nobody is told why: it is refused, was posted before, or has a link."""


@dataclass(frozen=True)
class Posted:
    """The outcome of posting: the message, and whether this request made it."""

    message: Message
    is_new: bool

    @cached_property
    def html(self) -> Markup:
        """The message's markup, rendered when it is first asked for: after the commit."""
        return new_markup_of(self.message) if self.is_new else markup_of(self.message)


def values_of(posts: Sequence[Post]) -> dict[str, list[object]]:
    """Return the values of `POST_MESSAGES`."""
    return {
        "session_ids": [post.author.session_id for post in posts],
        "room_ids": [post.room_id for post in posts],
        "client_ids": [post.client_id for post in posts],
        "bodies": [post.body for post in posts],
        "bodies_html": [str(post.written.html) for post in posts],
        # As comma-separated text, because asyncpg has no arrays of arrays of different lengths.
        "mentions": [",".join(map(str, sorted(post.written.mentioned))) for post in posts],
        "originals": [post.reply_to for post in posts],
    }


def posted_plainly(post: Post, row: AnyRow) -> Message:
    """Return the message of a post to which nothing else belongs; its row holds what the post does not tell."""
    return Message(
        id=row.id,
        room_id=post.room_id,
        author=Person(row.author_id, row.author_name, face=row.author_face),
        client_id=post.client_id,
        body=post.written.html,
        continues=row.continues,
        starts_day=row.starts_day,
        position=row.position,
        posted_revision=row.revision,
        revision=row.revision,
        created_at=row.created_at,
        is_edited=False,
        is_deleted=False,
    )
