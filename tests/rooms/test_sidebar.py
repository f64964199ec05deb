"""The order of the rooms in the sidebar."""

import re

from tests.support.people import Person


def listed(person: Person, path: str) -> list[str]:
    """Return the names of the rooms in the sidebar of a page, in their order."""
    rooms = person.get(path).text.partition('id="rooms-heading"')[2].partition('id="directs-heading"')[0]
    return re.findall(r'<a href="/rooms/\d+".*?<span class="one-line">(\w+)</span>', rooms)


def test_the_sidebar_lists_rooms_by_name_or_by_their_latest_message(alice: Person) -> None:
    ids = {name: alice.create_room(name) for name in ("Cheese", "apples", "Bread")}
    for name in ("Cheese", "Bread"):
        alice.post(ids[name], "is here")
    for path in ("/rooms/1", "/list"):
        assert listed(alice, path) == ["apples", "Bread", "Cheese", "Lobby"]
    alice.submit("/profile/rooms", {"rooms_by": "activity"})
    for path in ("/rooms/1", "/list"):
        assert listed(alice, path) == ["Bread", "Cheese", "Lobby", "apples"]
    alice.post(ids["apples"], "are there")
    for path in ("/rooms/1", "/list"):
        assert listed(alice, path) == ["apples", "Bread", "Cheese", "Lobby"]
