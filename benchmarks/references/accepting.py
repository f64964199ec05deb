"""Websockets that uvicorn accepts for an application that does nothing else: what every connection costs."""

import sys

import uvicorn
from starlette.types import Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept a websocket, and keep it."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        log_level="warning",
        http="httptools",
        ws="websockets-sansio",
        lifespan="off",
        ws_per_message_deflate=False,
        backlog=2048,
    )
