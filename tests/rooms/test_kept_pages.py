"""The newest messages of a room are kept by each process, and a page shows each change at once."""

from collections.abc import Callable

import pytest

from tests.support.people import Person, bodies, sign_in
from tests.support.server import ChatServer

CHANGES: dict[str, Callable[[Person], object]] = {
    "changed": lambda alice: alice.edit(28, "changed"),
    "This message was deleted.": lambda alice: alice.delete(28),
    "👍": lambda alice: alice.submit("/messages/28/reactions", {"emoji": "👍"}, htmx=True),
    "Pinned": lambda alice: alice.submit("/messages/28/pin", {"pinned": "yes"}, htmx=True),
    "Alma": lambda alice: alice.submit("/profile/name", {"name": "Alma"}),
    "one more": lambda alice: alice.post(1, "one more"),
}


@pytest.mark.parametrize("shown", CHANGES)
def test_pages_and_parts_of_another_process_show_a_change_at_once(
    alice: Person, shown: str, start_server: Callable[..., ChatServer]
) -> None:
    said = [f"number {number}" for number in range(1, 31)]
    for text in said:
        alice.post(1, text)
    alice.submit("/rooms/1/read", {"position": 30})
    elsewhere = sign_in(start_server(alice.server.database_url), alice)

    def looks(headers: dict[str, str]) -> tuple[list[str], str]:
        text = elsewhere.get("/rooms/1", **headers).text
        found = text.partition('<ol id="messages"')[2].partition('<ol id="outbox"')[0]
        return bodies(text), found

    whole, part = looks({}), looks({"X-Part": "main"})
    assert whole[0] == said
    assert part[0] == said[5:]
    assert shown not in whole[1] + part[1]
    CHANGES[shown](alice)
    for headers in ({}, {"X-Part": "main"}):
        assert shown in looks(headers)[1]
