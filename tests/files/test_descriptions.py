"""Describing the pictures of a message after it was sent, for readers who do not see them."""

import asyncio
import re

import pytest

from tests.support.live_client import LiveClient
from tests.support.people import Person
from tests.support.pictures import encoded, plain
from tests.support.uploading import post_files, upload


def described(page: str) -> list[str]:
    """The descriptions of the pictures on a page."""
    return re.findall(r'<img src="/files/[^>]* alt="([^"]*)"', page)


def send_two_pictures(person: Person) -> list[int]:
    numbers = [upload(person, 1, name, encoded(plain(20, 10), "PNG")) for name in ("a.png", "b.png")]
    assert post_files(person, 1, [*numbers, upload(person, 1, "notes.txt", b"notes")], "the plan").status_code == 200
    return numbers


def test_an_author_describes_pictures_and_changes_their_descriptions(alice: Person, bob: Person) -> None:
    first, second = send_two_pictures(alice)
    assert described(bob.get("/rooms/1").text) == ["a.png", "b.png"]
    editor = alice.get("/messages/1/edit").text
    assert re.findall(r'name="upload" value="(\d+)"', editor) == [str(first), str(second)], "a text needs none"
    fields = {"body": "the plan", "upload": [str(first), str(second)], "alt": ["The ground floor", " The\nroof "]}
    assert alice.submit("/messages/1/edit", fields).status_code == 303
    shown = bob.get("/rooms/1").text
    assert described(shown) == ["The ground floor", "The roof"]
    assert "(edited)" in shown
    assert 'value="The roof"' in alice.get("/messages/1/edit").text
    alice.edit(1, "the whole plan")
    assert described(bob.get("/rooms/1").text) == ["The ground floor", "The roof"], "other clients send no descriptions"
    alice.submit("/messages/1/edit", {"body": "the whole plan", "upload": str(first), "alt": ""})
    assert described(bob.get("/rooms/1").text) == ["a.png", "The roof"]


def test_a_refused_edit_keeps_the_typed_descriptions(alice: Person) -> None:
    number, _ = send_two_pictures(alice)
    answer = alice.submit("/messages/1/edit", {"body": "x" * 10_001, "upload": str(number), "alt": "The <b>roof"})
    assert answer.status_code == 422
    assert 'value="The &lt;b&gt;roof"' in answer.text
    assert described(alice.get("/rooms/1").text) == ["a.png", "b.png"]


def test_an_edit_describes_only_files_of_its_message(alice: Person, bob: Person) -> None:
    number, _ = send_two_pictures(alice)
    bob.post(1, "mine")
    answer = bob.submit("/messages/2/edit", {"body": "mine", "upload": str(number), "alt": "Nonsense"})
    assert answer.status_code == 303
    assert described(alice.get("/rooms/1").text) == ["a.png", "b.png"]
    assert "(edited)" not in alice.get("/rooms/1").text


@pytest.mark.anyio
async def test_another_description_reaches_open_pages(alice: Person, bob: Person) -> None:
    number, _ = await asyncio.to_thread(send_two_pictures, alice)
    async with LiveClient(bob, 1) as page:
        fields = {"body": "the plan", "upload": str(number), "alt": "The roof"}
        await asyncio.to_thread(alice.submit, "/messages/1/edit", fields)
        await page.until(lambda: 'alt="The roof"' in "".join(page.frames))
