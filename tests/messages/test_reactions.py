"""Reactions below a message."""

from tests.support.people import Person


def test_a_chip_after_the_reactions_leads_to_all_emoji(alice: Person) -> None:
    alice.post(1, "the wifi")
    chip = 'href="/messages/1/reactions" hx-get="/messages/1/reactions" hx-target="#menu" aria-label="Add a reaction"'
    assert chip not in alice.get("/rooms/1").text
    alice.submit("/messages/1/reactions", {"emoji": "🎉"})
    assert chip in alice.get("/rooms/1").text
    assert 'name="emoji" value="🦜"' in alice.get("/messages/1/reactions?q=parrot").text
