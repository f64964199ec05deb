"""The websocket of a page: server to client only."""

import asyncio

import anyio
from starlette.websockets import WebSocket

from chat.ids import Revision
from chat.live.feed import FeedUnavailable
from chat.live.hub import Hub
from chat.live.online import OnlineLists
from chat.live.presence import Presence
from chat.live.wire import HEARTBEAT, Reader, wire_of

QUEUE_FRAMES = 256  # what a reader may be behind where frames go through a queue
TRY_AGAIN_LATER = 1013
HEARTBEAT_SECONDS = 15.0


class LiveSocket:
    """Serves one page's socket: join the hub, accept, replay, go live, wait for the end."""

    def __init__(self, hub: Hub, presence: Presence, online_lists: OnlineLists) -> None:
        self._hub = hub
        self._presence = presence
        self._online_lists = online_lists

    async def serve(self, websocket: WebSocket, reader: Reader, after: Revision, epoch: str) -> None:
        """Serve `reader` until either side closes. What the page sends is ignored."""
        async with self._hub.visit(reader):
            await websocket.accept()
            with self._presence.present(reader.user_id):
                protocol = wire_of(websocket)
                if protocol is not None:
                    reader.attach(protocol)
                    await self._follow(websocket, reader, after, epoch)
                else:
                    await self._follow_through_queue(websocket, reader, after, epoch)

    async def _follow(self, websocket: WebSocket, reader: Reader, after: Revision, epoch: str) -> None:
        if reader.room_id is not None:
            try:
                await self._hub.replay(reader, after, epoch)
            except FeedUnavailable:
                await websocket.close(TRY_AGAIN_LATER)
                return
            self._online_lists.greet(reader)
        while reader.farewell is None:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
        code, html = reader.farewell
        await websocket.send_text(html)
        await websocket.close(code)

    async def _follow_through_queue(self, websocket: WebSocket, reader: Reader, after: Revision, epoch: str) -> None:
        """The same under a server other than ours: one bounded queue, and a task that empties it."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_FRAMES)
        async with anyio.create_task_group() as tasks:

            async def pump() -> None:
                while True:
                    frame = HEARTBEAT
                    with anyio.move_on_after(HEARTBEAT_SECONDS):
                        frame = await queue.get()
                    await websocket.send_text(_payload(frame))

            async def follow() -> None:
                await self._follow(websocket, reader, after, epoch)
                tasks.cancel_scope.cancel()

            async def dismissed() -> None:
                await woken.wait()
                if reader.farewell is not None:
                    await websocket.send_text(reader.farewell[1])
                await websocket.close(reader.farewell[0] if reader.farewell else TRY_AGAIN_LATER)
                tasks.cancel_scope.cancel()

            woken = asyncio.Event()
            reader.attach_queue(queue, overflow=woken.set, wake=woken.set)
            for task in (pump, follow, dismissed):
                tasks.start_soon(task)


def _payload(frame: bytes) -> str:
    header = {126: 4, 127: 10}.get(frame[1], 2)
    return frame[header:].decode()
