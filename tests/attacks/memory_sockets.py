"""Sockets that never read, and are sent the worst markup."""

import asyncio
import threading

from websockets.asyncio.client import ClientConnection, connect

from tests.attacks.writing import author_of, fill, post, prepare
from tests.support.people import Person
from tests.support.server import ChatServer

BEFORE = "8 sockets that never read take the memory from 423 to 1,653 MB"
SOCKETS, MISSED, POSTS = 8, 300, 30

__all__ = ["attack", "prepare"]


def attack(server: ChatServer) -> None:
    """A member opens sockets that never read, far behind and live, while the longest markup is posted."""
    alice = author_of(server)
    fill(alice, 1, MISSED)
    asyncio.run(_attack(alice))


async def _attack(alice: Person) -> None:
    epoch = alice.get("/rooms/1").text.partition("epoch=")[2][:36]
    sockets: list[ClientConnection] = []
    posting = threading.Thread(target=post, args=(alice, 1, POSTS))
    posting.start()
    while posting.is_alive():
        # A dropped client reconnects, and is as far behind as before.
        sockets = [socket for socket in sockets if socket.close_code is None]
        while len(sockets) < SOCKETS:
            sockets.append(await _open(alice, epoch, after=0))
        await asyncio.sleep(0.2)
    for socket in sockets:
        socket.transport.abort()


async def _open(person: Person, epoch: str, after: int) -> ClientConnection:
    cookies = "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())
    socket = await connect(
        f"{person.server.url.replace('http', 'ws', 1)}/rooms/1/live?after={after}&epoch={epoch}",
        origin=person.server.origin,
        additional_headers={"Cookie": cookies},
        compression=None,
        max_size=None,
        ping_interval=None,
    )
    socket.transport.pause_reading()
    return socket
