"""Accepted and refused passwords."""

import subprocess
import sys

import pytest

from chat.accounts.passwords import check_password, is_made_of
from tests.support.linear import cpu_time
from tests.support.people import PASSWORD, Person, browser
from tests.support.server import ROOT, SETUP_CODE, ChatServer

OBVIOUS = ("Renée O’Hara", "r.ohara@garden-club.example", "Willow Street School", "simplechat")
REFUSED = [
    "Willow Street School",
    "willowstreetschool",
    "WillowStreet2026!",
    "2026-willow-street-school-2026",
    "schoolschoolschool",
    "renée o’hara",
    "renee.ohara1",
    "ＲＥＮＥＥ１２３４５",
    "12reneeohara",
    "r.ohara@garden-club.example",
    "rohara@gardenclub",
    "simplechat",
    "SimpleChat123",
]
TAKEN = [
    "willow weeps at dawn",
    "garden gnome",
    "renee loves tulips",
    "1234567891011",
    "........",
    "-- -- -- --",
    "東京特許許可局長今日",
]


@pytest.mark.parametrize("password", REFUSED)
def test_a_password_made_of_obvious_words_is_refused(password: str) -> None:
    assert is_made_of(password, OBVIOUS)


@pytest.mark.parametrize("password", TAKEN)
def test_a_password_with_more_than_obvious_words_is_accepted(password: str) -> None:
    assert not is_made_of(password, OBVIOUS)


@pytest.mark.parametrize("name", ["12345678", "東京タワー展望台入口", "X Æ 12345678"])
def test_names_of_members_and_of_the_chat_are_refused_as_passwords(name: str) -> None:
    assert is_made_of(name, (name, "", "..."))


def test_a_very_long_name_does_not_slow_the_password_check() -> None:
    check_password(PASSWORD, ())  # reads the list of common passwords
    # Folded for comparison, this character becomes eighteen.
    took = min(cpu_time(lambda name: check_password(PASSWORD, (name, name)), "ﷺ" * 80_000) for _ in range(3))
    assert took < 0.1


def test_every_form_that_sets_a_password_refuses_obvious_passwords(server: ChatServer) -> None:
    typed = {
        "code": SETUP_CODE,
        "installation_name": "Willow Street School",
        "room_name": "Lobby",
        "name": "Alice Adams",
        "email": "alice.adams@example.org",
    }
    alice = Person("Alice Adams", "alice.adams@example.org", browser(server), server)
    for password in ("willow street school", "Alice Adams", "alice.adams@example.org", "AliceAdams1"):
        refused = alice.submit("/first-run", {**typed, "password": password})
        assert refused.status_code == 422
        assert 'id="password-help" class="field-error">Attackers try' in refused.text
    assert alice.submit("/first-run", {**typed, "password": PASSWORD}).status_code == 303
    bob = browser(server)
    for password in ("willow street school", "bob brown", "bob@example.org", "bobbrown99"):
        fields = {"name": "Bob Brown", "email": "bob@example.org", "password": password}
        refused = bob.post("/sign-up", data=fields)
        assert refused.status_code == 422
        assert 'id="password-help" class="field-error">Attackers try' in refused.text
        assert 'value="bob@example.org"' in refused.text
    for password in ("WillowStreetSchool", "aliceadams", "alice.adams@example.org"):
        refused = alice.submit("/profile/password", {"current_password": PASSWORD, "password": password})
        assert refused.status_code == 422
        assert 'id="password-help" class="field-error">Attackers try' in refused.text


def test_the_first_hashes_of_a_process_may_run_at_the_same_time() -> None:
    """passlib loads its backend with the first hash, and two threads that both do so disturb each other."""
    loaded = "import sys, chat.accounts.passwords; print('argon2.low_level' in sys.modules)"
    asked = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    assert asked.stdout == "True\n"
