"""How much work there is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """How many people do what; rooms are numbered from 1, then come the large one and that of the return."""

    people: int = 1000
    rooms: int = 10
    posters: int = 20
    readers: int = 300
    returning: int = 500
    missed: int = 20  # messages
    posts: int = 1200
    messages: int = 100  # to all readers
    pages: int = 100
    settling_seconds: float = 60  # servers write down, and tell, for a while that a thousand people have come
    idle_seconds: float = 60  # PostgreSQL's autovacuum looks once a minute, synapse is polled every 30 seconds
    seconds: float = 15  # after which slow servers need not go on

    @property
    def large_room(self) -> int:
        return self.rooms + 1

    @property
    def returning_room(self) -> int:
        return self.rooms + 2

    def room_of(self, person: int) -> int:
        """Return the room in which a person posts or is idle."""
        return person % self.rooms + 1

    def members(self) -> dict[int, list[int]]:
        """Return the people of each room; beyond the readers there is an author."""
        members: dict[int, list[int]] = {room: [] for room in range(1, self.rooms + 1)}
        for person in range(1, self.people + 1):
            members[self.room_of(person)].append(person)
        members[self.large_room] = list(range(1, self.readers + 2))
        members[self.returning_room] = list(range(1, self.returning + 2))
        return members
