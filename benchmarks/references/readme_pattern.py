"""The pattern of broadcaster's README: a subscription and a task for every socket. `python readme_pattern.py PORT`.

With the memory backend: the Redis one of broadcaster 0.3.1 hears nothing with redis-py 8.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from broadcaster import Broadcast
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

broadcast = Broadcast("memory://")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with broadcast:
        yield


async def follow(websocket: WebSocket) -> None:
    await websocket.accept()
    async with anyio.create_task_group() as tasks:

        async def send() -> None:
            async with broadcast.subscribe(channel="room") as subscriber:
                async for event in subscriber:  # type: ignore[union-attr]  # as it stands in the README
                    await websocket.send_text(event.message)  # type: ignore[union-attr]  # the same

        tasks.start_soon(send)
        async for _ in websocket.iter_text():
            pass
        tasks.cancel_scope.cancel()


async def publish(request: Request) -> Response:
    await broadcast.publish(channel="room", message=(await request.body()).decode())
    return Response(status_code=204)


app = Starlette(
    routes=[Route("/", publish, methods=["POST"]), WebSocketRoute("/", follow), WebSocketRoute("/live", follow)],
    lifespan=lifespan,
)

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", ws_per_message_deflate=False, backlog=2048)
