"""A message without a text is called by its files wherever it is mentioned."""

from uuid import uuid4

import pytest

from tests.support.people import Person
from tests.support.pictures import encoded, plain
from tests.support.uploading import post_files, upload

PICTURE = encoded(plain(20, 20), "PNG")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.png"], "Photo"),
        (["a.png", "b.png"], "2 photos"),
        (["plan.txt"], "plan.txt"),
        (["plan.txt", "a.png", "b.png"], "plan.txt and 2 more"),
    ],
)
def test_quotes_and_notifications_name_the_files(alice: Person, bob: Person, names: list[str], words: str) -> None:
    files = [upload(alice, 1, name, PICTURE if name.endswith("png") else b"the plan") for name in names]
    post_files(alice, 1, files)
    assert bob.reads(1) == [words]
    bob.submit("/rooms/1/messages", {"body": "nice", "client_id": str(uuid4()), "reply_to": 1}, htmx=True)
    assert f"<b>Alice Adams</b> {words}</a>" in bob.get("/rooms/1").text
    assert bob.get("/rooms/1/said/1").text == f"Alice Adams: {words}"
    alice.delete(1)
    assert "<b>Alice Adams</b> This message was deleted.</a>" in bob.get("/rooms/1").text
