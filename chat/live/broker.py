"""stand-in until the real one lands."""
import asyncio
from typing import Any
from broadcaster import Broadcast
from broadcaster._backends.base import BroadcastBackend
from broadcaster._base import Event
RESYNC = "resync"
class MemoryBackend(BroadcastBackend):
    def __init__(self) -> None: self._q: asyncio.Queue[Event] = asyncio.Queue()
    async def connect(self) -> None: ...
    async def disconnect(self) -> None: ...
    async def subscribe(self, group: str) -> None: ...
    async def unsubscribe(self, group: str) -> None: ...
    async def publish(self, channel: str, message: Any) -> None: self._q.put_nowait(Event(channel, message))
    async def next_published(self) -> Event: return await self._q.get()
def create_broadcast(redis_url: str | None) -> Broadcast:
    return Broadcast(backend=MemoryBackend())
