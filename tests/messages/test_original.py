"""Lists of messages from rooms: an answer shows there, too, what it replies to."""

from uuid import uuid4

import pytest

from tests.support.people import Person
from tests.support.searching import until_searchable


@pytest.mark.parametrize("path", ["/mentions", "/search?q=gladly", "/rooms/1/pinned", "/rooms/1"])
def test_an_answer_shows_its_original_wherever_it_is_listed(alice: Person, bob: Person, path: str) -> None:
    alice.post(1, "shall we *meet* at noon?")
    fields = {"body": "gladly", "client_id": str(uuid4()), "reply_to": 1}
    bob.submit("/rooms/1/messages", fields, htmx=True)
    bob.post(1, "@Alice Adams gladly, too")
    for message_id in (2, 3):
        alice.submit(f"/messages/{message_id}/pin", {"pinned": "yes"})
    until_searchable(alice.server)
    page = alice.get(path).text
    assert page.count('class="quoted" href="/rooms/1/messages/1#m-1"') == 1, "the other message is no answer"
    assert "<b>Alice Adams</b> shall we meet at noon?</a>" in page
    alice.edit(1, "shall we meet at one?")
    assert "<b>Alice Adams</b> shall we meet at one?</a>" in alice.get(path).text
    alice.delete(1)
    assert "<b>Alice Adams</b> This message was deleted.</a>" in alice.get(path).text
