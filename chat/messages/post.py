"""Posting: validate, authorise, one statement, commit. Messages posted at the same moment share the last two."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat.accounts.person import Author, Visitor
from chat.accounts.sessions import is_open
from chat.audit import request_context
from chat.batches import Batches
from chat.change import BeginChange, TellAfter
from chat.crash import crash_point
from chat.database.direct import CONFLICTS, STATEMENT_ERRORS, AnyRow
from chat.database.engine import is_one_of, reading, time_limit
from chat.errors import InvalidInput, NotFound, SignInNeeded
from chat.files.attachment import Chosen, NotAttached, complete_uploads, files_gone
from chat.files.uploading import Uploading
from chat.files.uploads import uploads_of
from chat.ids import MessageId, Revision, RoomId
from chat.live.events import Event, Mentioned, MessagesChanged, SidebarsChanged
from chat.live.source import RoomChanges
from chat.memory import KILOBYTE, MEGABYTE, Budget, size_of
from chat.messages.body import checked_body, shown
from chat.messages.link_queue import look_at_links
from chat.messages.markdown import Written
from chat.messages.mentions import write
from chat.messages.message import Message, message_from, select_messages
from chat.messages.original import author_of
from chat.messages.post_statement import POST_MESSAGE, POST_MESSAGES
from chat.messages.posted import NotPosted, Post, Posted, posted_plainly, values_of
from chat.messages.refusal import refusal_of
from chat.messages.rendering import as_change
from chat.messages.shown_links import has_links
from chat.messages.with_files import with_files
from chat.messages.workshop import Workshop
from chat.models import messages
from chat.tracing.tracing import MOST_IN_A_HINT, Span, Tracing

MOST_AT_ONCE = 100
MOST_BYTES_AT_ONCE = 256 * KILOBYTE  # of markup: a batch is one statement, and one frame for the room's readers
# A frame of a page takes five rounds of the event loop until it waits as a post.
ROUNDS_BETWEEN_BATCHES = 8
# While it is rendered and stored, a post takes about this many times the memory of its text.
MOST_BYTES_UNDER_WAY = 16 * MEGABYTE
TIMES_ITS_BODY = 10
# A connection that died silently must not hold up all messages until the kernel's timeout.
COMMIT_SECONDS = 10


class Posting:
    """Posts messages. Those that arrive during a commit share the next one."""

    def __init__(
        self,
        database: AsyncEngine,
        workshop: Workshop,
        uploading: Uploading,
        begin: BeginChange,
        tell_after: TellAfter,
        *,
        tracing: Tracing,
    ) -> None:
        self._database = database
        self._uploading = uploading
        self._workshop = workshop
        self._begin = begin
        self._tell_after = tell_after
        self._tracing = tracing
        self._batches = Batches(
            self._post_and_publish,
            MOST_AT_ONCE,
            size=lambda post: len(post.written.html),
            most_bytes=MOST_BYTES_AT_ONCE,
            rounds=ROUNDS_BETWEEN_BATCHES,
        )
        self._under_way = Budget(MOST_BYTES_UNDER_WAY)
        self.posted = 0  # messages since the start

    async def post(
        self,
        author: Visitor,
        room_id: RoomId,
        body: str,
        client_id: UUID,
        *,
        reply_to: MessageId | None = None,
        chosen: Sequence[Chosen] = (),
        origin: str = "",
    ) -> Posted:
        """Post a message, and return it once committed and published. A repeated request returns the first message.

        `origin` is the chat's own, as the author's browser names it: links to there lead to messages of this chat.
        Raises `InvalidInput` for the body or the chosen `files`, or when the author may not post there at all or not
        yet, and `NotFound` when the author is not in the room.
        """
        body = checked_body(body, may_be_empty=bool(chosen))
        if chosen:
            await self._complete(author, room_id, chosen)
        async with self._under_way.of(TIMES_ITS_BODY * size_of(body)):
            written = await write(self._database, self._workshop, author, room_id, body)
            written = shown(written, may_be_empty=bool(chosen))
            if reply_to is not None:
                written = await self._mentioning_author(author, room_id, reply_to, written)
            post = Post(author, room_id, body, written, client_id, reply_to, tuple(chosen), _trace(), origin, author)
            return await self._batches.ask(post)

    async def post_by_itself(self, author: Author, room_id: RoomId, body: str, client_id: UUID) -> Posted:
        """Post a text that mentions nobody and to which nothing else belongs; return it as `post` does.

        Raises `InvalidInput` for the body, and `NotPosted` for every other reason, such as a link.
        """
        body = checked_body(body)
        async with self._under_way.of(TIMES_ITS_BODY * size_of(body)):
            written = shown(await self._workshop.written(body, author.id))
            if has_links(written.html):
                # A link to the chat itself is known by the origin of a request.
                raise NotPosted
            return await self._batches.ask(Post(author, room_id, body, written, client_id, trace=_trace()))

    async def has_posted(self, author: Visitor, client_id: UUID) -> bool:
        """Tell whether an author has posted a message with this client id."""
        mine = (messages.c.author_id == author.id) & (messages.c.client_id == client_id)
        async with reading(self._database) as connection:
            return (await connection.execute(select(messages.c.id).where(mine))).one_or_none() is not None

    async def _complete(self, author: Visitor, room_id: RoomId, chosen: Sequence[Chosen]) -> None:
        """Finish the uploads of a message. Those that cannot be attached make the statement fail, unless it repeats."""
        async with reading(self._database) as connection:
            uploads = await uploads_of(connection, author, room_id, [file.id for file in chosen])
        await complete_uploads(self._uploading, author, uploads)

    async def _mentioning_author(
        self, author: Visitor, room_id: RoomId, reply_to: MessageId, written: Written
    ) -> Written:
        """Let an answer mention the author of its original."""
        async with reading(self._database) as connection:
            answered = await author_of(connection, room_id, reply_to)
        if answered is None or answered == author.id:
            return written
        return replace(written, mentioned=written.mentioned | {answered})

    async def _post_and_publish(self, posts: list[Post]) -> Sequence[Posted | Exception]:
        try:
            made = await self._commit(posts)
        except (*STATEMENT_ERRORS, NotAttached) as error:
            if len(posts) > 1:
                # One post is at fault or a repeat; retried one by one, the others succeed.
                return [answer for post in posts for answer in await self._post_and_publish([post])]
            if isinstance(error, NotAttached):
                return [files_gone()]
            if not isinstance(error, CONFLICTS):
                raise
            # Another process has just committed the same request.
            made = {}
        return [made.get((post.author.id, post.client_id)) or await self._earlier(post) for post in posts]

    async def _commit(self, posts: list[Post]) -> dict[tuple[int, UUID], Posted]:
        """Insert the posts and tell the rooms' readers; return the new messages by author and client id."""
        spans = {post.client_id: self._tracing.begin("commit", post.trace) for post in posts if post.trace}
        is_plain = not any(post.reply_to or post.files or has_links(post.written.html) for post in posts)
        async with time_limit(COMMIT_SECONDS):
            posted = await (self._commit_at_once if is_plain else self._commit_with_more)(posts, spans)
        self.posted += len(posted)
        crash_point("after_publish")
        return {(made.message.author.id, made.message.client_id): made for made in posted}

    async def _commit_at_once(self, posts: list[Post], spans: Mapping[UUID, Span]) -> list[Posted]:
        """Insert posts to which nothing else belongs by one statement, without the round trips of a transaction."""
        async with self._tell_after() as told:
            crash_point("before_commit")
            rows, messages = await self._insert_alone(posts[0]) if len(posts) == 1 else ([], [])
            if not rows:
                rows = await POST_MESSAGES.rows(self._database, **values_of(posts))
                asked = {(post.author.id, post.client_id): post for post in posts}
                messages = [posted_plainly(asked[row.author_id, row.client_id], row) for row in rows]
            posted = [Posted(message, is_new=True) for message in messages]
            told.tell_later(lambda: _events(rows, posts, posted, spans))
        return posted

    async def _insert_alone(self, post: Post) -> tuple[Sequence[AnyRow], list[Message]]:
        """Insert a post that mentions nobody, unless it is refused or in a slow room."""
        if post.written.mentioned:
            return [], []
        rows = await POST_MESSAGE.rows(
            self._database,
            session_id=post.author.session_id,
            room_id=post.room_id,
            client_id=post.client_id,
            body=post.body,
            body_html=str(post.written.html),
        )
        return rows, [posted_plainly(post, row) for row in rows]

    async def _commit_with_more(self, posts: list[Post], spans: Mapping[UUID, Span]) -> list[Posted]:
        """Insert posts together with their files and the links to look at, and read the originals of answers."""
        async with self._begin() as change:
            rows = await POST_MESSAGES.rows(change.connection, **values_of(posts))
            made = [message_from(row) for row in rows]
            if any(post.reply_to for post in posts):
                made = await _with_originals(change.connection, made)
            if files := {(post.author.id, post.client_id): post.files for post in posts if post.files}:
                made = await with_files(change.connection, made, files)
            posted = [Posted(message, is_new=True) for message in made]
            if linked := [row for row in rows if has_links(row.body_html)]:
                origins = {(post.author.id, post.client_id): post.origin for post in posts}
                asked = {row.id: origins[row.author_id, row.client_id] for row in linked}
                await look_at_links(change.connection, asked)
            change.tell_later(lambda: _events(rows, posts, posted, spans))
            crash_point("before_commit")
        return posted

    async def _earlier(self, post: Post) -> Posted | Exception:
        if post.visitor is None:
            return NotPosted()
        statement = select_messages().where(
            messages.c.author_id == post.author.id, messages.c.client_id == post.client_id
        )
        async with self._database.connect() as connection:
            if not await is_open(connection, post.author.session_id):
                return SignInNeeded()
            row = (await connection.execute(statement)).one_or_none()
            if row is None:
                refusal = await refusal_of(connection, post.visitor, post.room_id)
                return refusal or InvalidInput(body="That came a moment too early. Send it again.")
        if row.room_id != post.room_id:
            return NotFound()
        message = message_from(row)
        return Posted(message, is_new=False)


def _trace() -> str:
    context = request_context.get()
    return context.trace if context is not None else ""


async def _with_originals(connection: AsyncConnection, posted: Sequence[Message]) -> list[Message]:
    """Read answers once more, now that their rooms are locked: an original may have changed while they waited."""
    answers = select_messages().where(
        is_one_of(messages.c.id, [message.id for message in posted]), messages.c.reply_to_id.is_not(None)
    )
    read = {row.id: message_from(row) for row in await connection.execute(answers)}
    return [read.get(message.id, message) for message in posted]


def _events(
    rows: Sequence[AnyRow], posts: Sequence[Post], posted: Sequence[Posted], spans: Mapping[UUID, Span]
) -> Iterable[Event]:
    """Render new messages, sorted by room and position, and return their events.

    `spans` are those of the commit, by the posts' client ids: they end here.
    """
    crash_point("after_commit")
    for span in spans.values():
        span.end(attributes={"chat.posts": len(posted)})
    for room_id, in_room in groupby(posted, lambda made: made.message.room_id):
        found = list(in_room)
        base, last = Revision(found[0].message.revision - 1), found[-1].message
        changes = RoomChanges(tuple(as_change(made.message, made.html) for made in found), last.revision)
        ids = [made.message.client_id for made in found]
        traces = tuple(spans[client_id].trace for client_id in ids if client_id in spans)
        yield MessagesChanged(room_id, rows[0].epoch, base, changes, last.position, traces[:MOST_IN_A_HINT])
    mentioned = {(post.author.id, post.client_id): post.written.mentioned for post in posts}
    for made in posted:
        message = made.message
        if people := mentioned[message.author.id, message.client_id]:
            yield Mentioned(tuple(people), message.room_id, message.position)
    for row in rows:
        if row.members:
            # A direct room appears in the other members' sidebars with its first message.
            yield SidebarsChanged(tuple(row.members))
