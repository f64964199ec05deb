"""A chat server and its members, as the rows drive and measure them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import psutil

from benchmarks.measure import cpu
from benchmarks.peers.wire import Crowd
from tests.support.postgres_server import PostgresServer


class Client(ABC):
    """A member who is signed in."""

    @abstractmethod
    async def enter(self, room: int, place: str) -> None:
        """Be in a room, whose history is at a place, and receive what is posted there."""

    @abstractmethod
    async def return_to(self, room: int, place: str, last: bytes) -> None:
        """Be in a room, and receive everything since a place in its history, up to a text."""

    @abstractmethod
    async def post(self, text: str) -> None:
        """Post into the room, until the server has confirmed it."""

    @abstractmethod
    async def newest(self) -> int:
        """Read the newest 50 messages of the room, and return their number."""

    @abstractmethod
    def count_for(self, crowd: Crowd) -> None:
        """Count what the member receives from now on for a crowd."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections without a farewell."""


class Peer(ABC):
    """A chat server with a number of people, and with rooms that exist."""

    name: str
    database: PostgresServer | None = None  # its own, unless it keeps nothing
    at_once = 100  # people who connect at the same time

    @property
    @abstractmethod
    def version(self) -> str:
        """The version that runs."""

    @abstractmethod
    def start(self) -> None:
        """Start it, or start it again, and wait until it serves."""

    @abstractmethod
    def kill(self) -> None:
        """End it as a crash would."""

    @abstractmethod
    def remove(self) -> None:
        """End it and remove its files."""

    @abstractmethod
    def processes(self) -> Sequence[psutil.Process]:
        """Return its processes that run, without the database."""

    @abstractmethod
    async def client(self, number: int) -> Client:
        """Sign a person in."""

    @property
    def keeps(self) -> bool:
        """Tell whether it keeps messages."""
        return self.database is not None

    def everything(self) -> list[psutil.Process]:
        """Return its processes and those of its database."""
        return [*self.processes(), *(self.database.processes() if self.database else ())]

    def spent(self) -> float:
        """Return the CPU seconds of the server and its database."""
        return sum(map(cpu, self.processes())) + self.spent_by_database()

    def spent_by_database(self) -> float:
        """Return the CPU seconds of the database, with all that it does by itself."""
        return cpu(self.database.processes()[0]) if self.database else 0.0

    async def place(self, room: int) -> str:
        """Return the present end of a room's history."""
        return ""
