"""The websocket of a page: server to client, but for short posts and the page's switches to another room."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from functools import partial
from itertools import chain
from typing import NoReturn

import anyio
from anyio.abc import TaskStatus
from starlette.websockets import WebSocket

from chat.audit import request_context
from chat.errors import TooManyRequests
from chat.ids import Revision
from chat.live.backlog import FrameQueue
from chat.live.frames import HEARTBEAT, encode_frame, payload_of
from chat.live.hub import Hub
from chat.live.open_pages import RECENT_SECONDS, OpenPages
from chat.live.page_frames import PagePost, Switch, post_in, switch_in
from chat.live.presence import Presence
from chat.live.reader import Reader
from chat.live.roster import Roster
from chat.live.source import SourceUnavailable
from chat.live.unread_counts import UnreadCounts
from chat.live.wire import AnyState, wire_of
from chat.supervision import Failures, Supervisor, supervised

logger = logging.getLogger(__name__)

QUEUE_FRAMES = 256  # a reader further behind is disconnected, under servers where frames go through a queue
TRY_AGAIN_LATER = 1013
HEARTBEAT_SECONDS = 15.0
TOO_MANY_PAGES = 4429
# A page posts its next text when its socket has brought the one before, which may be a moment before the answer to it.
MOST_POSTS_OF_A_PAGE = 2


class LiveSocket:
    """Serves the sockets of pages: join the hub, accept, replay, go live, follow the page to other rooms.

    `run` must be running for as long as it is used.
    """

    def __init__(
        self,
        hub: Hub,
        presence: Presence,
        roster: Roster,
        unread_counts: UnreadCounts,
        open_pages: OpenPages,
        *,
        most_pages: int,
        too_many_pages: str,
    ) -> None:
        self._hub = hub
        self._presence = presence
        self._roster = roster
        self._unread_counts = unread_counts
        self._open_pages = open_pages
        self._most_pages = most_pages
        self._too_many_pages = too_many_pages
        # Readers that are going live, each with the switch that came meanwhile.
        self._going_live: dict[Reader, Switch | None] = {}
        # Posts of pages under way, in their order.
        self._posting: dict[Reader, list[asyncio.Task[bool]]] = {}
        self._tasks: Supervisor
        # Posts a text of a page, and returns the answer to its page.
        self.post: Callable[[Reader, PagePost], Awaitable[str]] = _refuse

    async def run(self, failures: Failures | None = None, *, task_status: TaskStatus[None]) -> None:
        """Follow pages to other rooms until cancelled."""
        async with supervised(failures) as self._tasks:
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                for task in chain.from_iterable(self._posting.values()):
                    task.cancel()

    async def serve(self, websocket: WebSocket[AnyState], reader: Reader, after: Revision, epoch: str) -> None:
        """Serve `reader` until either side closes.

        Under our own server this returns once the reader is live, and only the connection remains: a task waiting for
        its end, with its frames and queues, would take half the memory of an idle reader. May raise
        `SourceUnavailable`.
        """
        await self._hub.enter(reader)
        self._close_oldest_pages(reader)
        self._presence.arrive(reader.user_id, is_active="active" in websocket.query_params)
        stays = False
        try:
            await websocket.accept()
            protocol = wire_of(websocket)
            if protocol is None:
                await self._follow_through_queue(websocket, reader, after, epoch)
            else:
                protocol.follow(reader, on_text=partial(self._hear, reader))
                await self._go_live(reader, after, epoch)
                context = request_context.get()
                protocol.stay(on_gone=partial(self._leave, reader, context.request_id if context else ""))
                stays = True
        finally:
            if not stays:
                self._leave(reader)

    def _close_oldest_pages(self, newest: Reader) -> None:
        """Close the oldest pages of a person with too many: the newest page is the one they look at."""
        pages = [page for page in self._hub.readers_of(newest.user_id) if page.farewell is None]
        for page in pages[: -self._most_pages]:
            page.dismiss(TOO_MANY_PAGES, self._too_many_pages)

    def _leave(self, reader: Reader, request_id: str = "") -> None:
        """Remove a reader, and log it under the id of the request that opened it."""
        known = {"user_id": reader.user_id, "room_id": reader.room_id, "request_id": request_id}
        self._hub.leave(reader)
        self._presence.depart(reader.user_id)
        fields = {name: value for name, value in known.items() if value}
        logger.info("A page's websocket has closed", extra={"fields": fields})

    async def _go_live(self, reader: Reader, after: Revision, epoch: str) -> None:
        self._going_live[reader] = None
        try:
            if reader.room_id is not None:
                await self._hub.replay(reader, after, epoch)
            self._roster.greet(reader)
            self._unread_counts.arrive(reader.user_id)
            self._open_pages.repeat(reader)
            await self._follow_switches(reader)
        finally:
            del self._going_live[reader]

    def _hear(self, reader: Reader, text: bytes) -> asyncio.Task[bool] | None:
        """Take up a frame of a page; return the task of a post, which tells whether that is within its own limits."""
        if reader.farewell is not None:
            return None
        if switch := switch_in(text):
            self._begin_switch(reader, switch)
        elif post := post_in(text):
            return self._begin_post(reader, post)
        return None

    def _begin_post(self, reader: Reader, post: PagePost) -> asyncio.Task[bool] | None:
        """Post a text of a page soon, after those of the page that are under way, unless these are too many."""
        before = self._posting.setdefault(reader, [])
        if len(before) >= MOST_POSTS_OF_A_PAGE:
            reader.send(encode_frame(post.refused))
            return None
        # Many a second: a task of the supervisor would cost four times as much.
        task = asyncio.create_task(self._post(reader, post, before[-1:]), name="post of a page", context=Context())
        before.append(task)
        return task

    async def _post(self, reader: Reader, post: PagePost, before: Sequence[asyncio.Task[bool]]) -> bool:
        answer = post.refused
        try:
            if before:
                await asyncio.wait(before)
            answer = await self.post(reader, post)
        except TooManyRequests:
            return False
        except Exception:
            logger.exception("A post of a page failed")
        finally:
            self._posted(reader)
            reader.send(encode_frame(answer))
        return True

    def _posted(self, reader: Reader) -> None:
        under_way = self._posting[reader]
        under_way.pop(0)
        if not under_way:
            del self._posting[reader]

    def _begin_switch(self, reader: Reader, switch: Switch) -> None:
        """Take a reader out of the room that its page has left, at once, and into the one that it shows, soon."""
        self._hub.leave_room(reader)
        reader.send(encode_frame(switch.answer))
        is_followed = reader in self._going_live
        self._going_live[reader] = switch
        if not is_followed:
            self._tasks.once(partial(self._follow_page, reader), "switch of a page")

    async def _follow_page(self, reader: Reader) -> None:
        try:
            await self._follow_switches(reader)
        except SourceUnavailable:
            reader.dismiss(TRY_AGAIN_LATER, "")
        finally:
            del self._going_live[reader]

    async def _follow_switches(self, reader: Reader) -> None:
        while switch := self._going_live[reader]:
            self._going_live[reader] = None
            await self._switch(reader, switch)

    async def _switch(self, reader: Reader, switch: Switch) -> None:
        """Let a reader follow another room, if it may. May raise `SourceUnavailable`."""
        may_follow = switch.room_id is None or await self._open_pages.has_seat(reader, switch.room_id)
        is_last = self._going_live[reader] is None and reader in self._hub.readers_of(reader.user_id)
        if may_follow and is_last:
            await self._hub.enter_room(reader, switch.room_id)
            if reader.room_id is not None:
                await self._hub.replay(reader, switch.after, switch.epoch)
                # The socket has brought all that is not the room's own.
                since = time.monotonic() - switch.age - RECENT_SECONDS
                self._roster.greet_in_room(reader, since)
                self._open_pages.tell_news(reader, since)

    async def _follow_through_queue(
        self, websocket: WebSocket[AnyState], reader: Reader, after: Revision, epoch: str
    ) -> None:
        """Serve a reader under a server other than ours: one bounded queue, and a task that empties it."""
        queue, closing = FrameQueue(QUEUE_FRAMES), anyio.Event()
        reader.attach_queue(queue, close=closing.set)
        await self._go_live(reader, after, epoch)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_send_frames, websocket, queue)
            tasks.start_soon(_receive, websocket, partial(self._hear, reader), tasks.cancel_scope)
            await closing.wait()
            if reader.farewell is not None:
                await websocket.send_text(reader.farewell[1])
            await websocket.close(reader.farewell[0] if reader.farewell else TRY_AGAIN_LATER)
            tasks.cancel_scope.cancel()


async def _send_frames(websocket: WebSocket[AnyState], queue: FrameQueue) -> NoReturn:
    while True:
        frame = HEARTBEAT
        with anyio.move_on_after(HEARTBEAT_SECONDS):
            frame = await queue.get()
        await websocket.send_text(payload_of(frame))


async def _receive(websocket: WebSocket[AnyState], hear: Callable[[bytes], object], tasks: anyio.CancelScope) -> None:
    """Hand over the page's frames until it disconnects, then end the other tasks."""
    while (event := await websocket.receive())["type"] != "websocket.disconnect":
        hear((event.get("text") or "").encode())
    tasks.cancel()


async def _refuse(reader: Reader, post: PagePost) -> str:
    """Post nothing: the chat has not started yet."""
    return post.refused
