"""The emoji of the picker: categories, skin tones, and what a person used last."""

import pytest

from chat.messages.emoji import TONES, categories, is_emoji, toned
from tests.support.people import Person

EVERY = [each.character for category in categories() for each in category.emoji]


def test_every_emoji_of_the_categories_is_known_and_there_once() -> None:
    assert len(EVERY) == len(set(EVERY)) > 1800
    assert all(map(is_emoji, EVERY))


@pytest.mark.parametrize("tone", range(1, len(TONES)))
def test_an_emoji_with_skin_tones_is_shown_in_the_chosen_one(tone: int) -> None:
    changed = [each for each in EVERY if toned(each, tone) != each]
    assert len(changed) > 300
    for each in changed:
        assert is_emoji(toned(each, tone))
        assert set(toned(each, tone)) & set(TONES) == {TONES[tone]}
        assert toned(toned(each, tone), 0) == each
    for each in ("👍", "☝️", "👩‍🚀", "🤝", "👫"):
        assert each in changed
    for each in ("🎉", "❤️", "😀", "👪"):
        assert each not in changed


def recent(person: Person) -> list[str]:
    page = person.get("/emoji").text
    part = page[page.index('class="lately"') : page.index("</section>", page.index('class="lately"'))]
    return [each.split('"')[0] for each in part.split('value="')[1:]] if "Recently used" in part else []


def test_the_last_sixteen_emoji_that_a_person_used_are_remembered(alice: Person, bob: Person) -> None:
    alice.post(1, "cake?")
    assert recent(alice) == []
    alice.submit("/messages/1/reactions", {"emoji": "👍🏽"})
    alice.submit("/emoji", {"emoji": "🎉"})
    assert recent(alice) == ["🎉", "👍"]
    alice.submit("/messages/1/reactions", {"emoji": "👍🏽"})
    assert recent(alice) == ["🎉", "👍"], "a reaction that is taken back is no use of it"
    for emoji in EVERY[:16]:
        alice.submit("/emoji", {"emoji": emoji})
    alice.submit("/emoji", {"emoji": EVERY[3]})
    assert recent(alice) == [EVERY[3], *(each for each in reversed(EVERY[:16]) if each != EVERY[3])]
    assert recent(bob) == []


def test_only_emoji_and_known_skin_tones_are_remembered(alice: Person) -> None:
    for text in ("", "x", "👍👍", "<b>"):
        assert alice.submit("/emoji", {"emoji": text}).status_code == 422
    for tone in ("", "6", "-1", "²", "x"):
        assert alice.submit("/emoji/tone", {"tone": tone}).status_code == 422
    assert recent(alice) == []
    assert alice.submit("/emoji/tone", {"tone": "5", "message": "7"}).headers["Location"] == "/messages/7/reactions"
    assert alice.submit("/emoji/tone", {"tone": "0", "message": "/evil"}).headers["Location"] == "/"
