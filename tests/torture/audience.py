"""An audience of light readers of a room, and a writer whose messages they time."""

import asyncio
import re
import time
from uuid import uuid4

import httpx

from tests.support.people import Person
from tests.support.server import TLS
from tests.torture.raw_reader import RawReader


class Audience:
    """The readers of a room on some servers. Latencies are seconds from posting until a reader has it."""

    def __init__(self, person: Person, room_id: int = 1) -> None:
        self._person = person
        self._room = f"/rooms/{room_id}"
        self._cookie = "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())
        self._sent: dict[int, float] = {}
        self._latencies: dict[int, list[float]] = {}
        self.readers: list[RawReader] = []

    async def gather(self, count: int, server: str) -> None:
        """Let so many readers open the room on a server."""
        page = self._person.get(self._room).text
        after, epoch = re.findall(r'data-revision="(\d+)"', page)[0], re.findall(r'data-epoch="([0-9a-f-]+)"', page)[0]
        path = f"{self._room}/live?after={after}&epoch={epoch}"
        for _ in range(count):
            self.readers.append(await RawReader.open(server, path, self._cookie, self._arrived))

    async def write(self, seconds: float, rate: float, text: str = "x" * 100) -> list[list[float]]:
        """Post so many messages a second; returns each message's latencies at the readers, two seconds after the last.

        Fails when a post is not accepted at once.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        first = len(self._sent)
        stamps = range(first, first + int(seconds * rate))
        headers = {"Origin": self._person.server.url, "HX-Request": "true"}
        async with httpx.AsyncClient(
            verify=TLS, cookies=self._person.client.cookies, headers=headers, timeout=10
        ) as client:
            for stamp in stamps:
                await asyncio.sleep(began + (stamp - first) / rate - loop.time())
                self._latencies[stamp] = []
                self._sent[stamp] = time.monotonic()
                fields = {"body": f"stamp-{stamp}- {text}", "client_id": str(uuid4())}
                answer = await client.post(f"{self._person.server.url}{self._room}/messages", data=fields)
                assert answer.status_code == 200, answer.status_code
        await asyncio.sleep(2)
        return [self._latencies[stamp] for stamp in stamps]

    def close(self) -> None:
        """Close every reader without a closing handshake."""
        for reader in self.readers:
            reader.close()

    def _arrived(self, stamp: int) -> None:
        self._latencies[stamp].append(time.monotonic() - self._sent[stamp])
