"""A mention names a person: it follows them when they are renamed."""

from chat.messages.present_names import markup_with, text_with
from tests.support.people import Person, bodies

OLD = (
    '<p>ping <a class="mention" href="/people/2" rel="x">@Bob</a> and <a class="mention" href="/people/3">@Ann</a></p>'
)


def test_only_names_that_are_mentions_are_replaced() -> None:
    names = {"2": "R & B", "3": "Ann"}
    assert markup_with(names, OLD) == OLD.replace("@Bob", "@R &amp; B")
    assert text_with(names, "ping @bob and @Ann, Bob, x@bob @bobby", OLD) == "ping @R & B and @Ann, Bob, x@bob @bobby"
    assert text_with({}, "ping @bob", OLD) == "ping @bob"
    assert markup_with({}, OLD) == OLD


def test_a_mention_shows_the_present_name_and_stays_when_its_message_is_edited(alice: Person, bob: Person) -> None:
    alice.post(1, "ping @Bob Brown agian")
    bob.submit("/profile/name", {"name": "Robert"})
    assert alice.reads(1)[-1] == "ping @Robert agian"
    for page in (bob.get("/mentions").text, alice.get("/messages/1").text, alice.get("/rooms/1/messages").text):
        assert "ping @Robert agian" in "".join(bodies(page)), page
    editor = alice.get("/messages/1/edit").text
    assert "ping @Robert agian</textarea>" in editor
    alice.edit(1, "ping @Robert again")
    assert alice.reads(1)[-1].startswith("ping @Robert again")
    assert len(bodies(bob.get("/mentions").text)) == 1
    bob.submit("/rooms/1/leave")
    alice.edit(1, "ping @Robert again and again")
    assert f'href="/people/{bob.id}"' in alice.get("/messages/1").text
    bob.join(1)
    assert len(bodies(bob.get("/mentions").text)) == 1
