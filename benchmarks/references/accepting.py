"""Websockets that the chat's server accepts for an application that does nothing else: what every connection costs."""

import sys

import anyio
import uvicorn
from starlette.types import Receive, Scope, Send

from chat.addresses import TrustedProxies
from chat.serving.connections import Connections
from chat.serving.protocol import BoundedProtocol
from chat.serving.upgraded import UpgradedProtocol

MOST = 100_000


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept a websocket, and keep it."""
    if scope["type"] == "lifespan":
        connections = scope["state"]["connections"] = Connections(MOST, MOST, TrustedProxies("*"))
        connections.most_strangers = MOST
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await anyio.sleep_forever()


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        log_level="warning",
        http=BoundedProtocol,
        ws=UpgradedProtocol,
        proxy_headers=False,
        backlog=2048,
    )
