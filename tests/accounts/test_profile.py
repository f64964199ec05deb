"""A member's own profile: address, password, sessions and preferences."""

import hashlib
import html
import re
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import pytest

from chat.accounts.user_agents import agent_of
from tests.support.databases import query
from tests.support.people import PASSWORD, Person, browser, sign_in, sign_up
from tests.support.server import ROOT

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)


def on(person: Person, user_agent: str) -> Person:
    """The same person, signed in on a browser with this user agent."""
    client = browser(person.server)
    client.headers["User-Agent"] = user_agent
    answer = client.post("/sign-in", data={"email": person.email, "password": PASSWORD})
    assert answer.status_code == 303
    return Person(person.name, person.email, client, person.server)


def sessions(person: Person) -> list[str]:
    """Each session on a member's profile as text, in the order shown."""
    section = person.get("/profile").text.split('id="sessions"')[1]
    return [" ".join(re.sub(r"<[^>]+>", " ", item).split()) for item in re.findall(r"<li>(.*?)</li>", section, re.S)]


def is_in(person: Person) -> bool:
    return person.client.get("/profile").status_code == 200


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Safari on an iPhone"),
        (CHROME, "Chrome on Windows"),
        (f"{CHROME} Edg/140.0.0.0", "Edge on Windows"),
        (f"{CHROME} OPR/121.0.0.0", "Opera on Windows"),
        (f"{CHROME} Vivaldi/7.5", "Vivaldi on Windows"),
        (FIREFOX.replace("X11; Linux x86_64", "Macintosh; Intel Mac OS X 10.15"), "Firefox on a Mac"),
        (SAFARI.replace("Version/18.5", "CriOS/140.0.7339.39"), "Chrome on an iPhone"),
        (SAFARI.replace("Version/18.5", "FxiOS/142.0"), "Firefox on an iPhone"),
        (SAFARI.replace("iPhone; CPU iPhone", "iPad; CPU"), "Safari on an iPad"),
        (CHROME.replace("Windows NT 10.0; Win64; x64", "Linux; Android 10; K"), "Chrome on Android"),
        (
            "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) "
            "SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
            "Samsung Internet on Android",
        ),
        (CHROME.replace("Windows NT 10.0; Win64; x64", "X11; CrOS x86_64 14541.0.0"), "Chrome on ChromeOS"),
        ("Something (Windows NT 10.0)", "A browser on Windows"),
        ("curl/8.14.1", "An unknown browser"),
        ("", "An unknown browser"),
    ],
)
def test_a_user_agent_is_shown_as_browser_and_system(user_agent: str, words: str) -> None:
    assert str(agent_of(user_agent)) == words


def test_a_member_sees_their_sessions_with_this_browser_first(alice: Person) -> None:
    url = alice.server.database_url
    phone, office = on(alice, SAFARI), on(alice, CHROME)
    long_ago = on(alice, f"{CHROME} Edg/140.0.0.0")
    gone, expired = on(alice, FIREFOX), on(alice, f"{CHROME} Vivaldi/7.5")
    gone.submit("/sign-out")
    on(sign_up(alice.server, "Bob Brown"), FIREFOX)
    query(url, "UPDATE sessions SET expires_at = now() WHERE user_agent LIKE '%Vivaldi%' RETURNING 1")
    edge = "UPDATE sessions SET refreshed_at = '2026-03-04 05:06Z' WHERE user_agent LIKE '%Edg%' RETURNING 1"
    query(url, edge)
    assert not is_in(expired)
    listed = sessions(phone)
    assert [line.split(" Signed in")[0] for line in listed] == [
        "Safari on an iPhone",
        "Chrome on Windows",
        "An unknown browser",
        "Edge on Windows",
    ]
    assert listed[0].endswith("Used in the last few minutes This browser")
    assert listed[1].endswith("Used in the last few minutes Sign out Chrome on Windows")
    assert "Last used Wednesday, 4 March 2026, 05:06" in listed[3]
    assert sessions(office)[0].startswith("Chrome on Windows")
    assert is_in(long_ago)


def test_a_member_ends_their_own_sessions_only(alice: Person) -> None:
    phone, bob = on(alice, SAFARI), sign_up(alice.server, "Bob Brown")
    rows = query(alice.server.database_url, "SELECT id, user_id FROM sessions ORDER BY id")
    _, of_phone, of_bob = (row["id"] for row in rows)
    assert alice.submit(f"/profile/sessions/{of_bob}/end").status_code == 404
    assert alice.submit("/profile/sessions/999/end").status_code == 404
    assert is_in(bob)
    answer = alice.submit(f"/profile/sessions/{of_phone}/end")
    assert answer.headers["location"] == "/profile?saved=session"
    assert not is_in(phone)
    assert "That browser is signed out" in alice.get("/profile?saved=session").text
    assert alice.submit(f"/profile/sessions/{of_phone}/end").status_code == 404, "it has ended already"
    assert "You are not signed in anywhere else" in alice.get("/profile").text


def test_signing_out_other_browsers_keeps_this_session(alice: Person) -> None:
    others = [on(alice, agent) for agent in (SAFARI, CHROME, FIREFOX)]
    bob = sign_up(alice.server, "Bob Brown")
    assert alice.submit("/profile/sessions/end-others").headers["location"] == "/profile?saved=others"
    assert [is_in(other) for other in others] == [False] * 3
    assert is_in(alice)
    assert is_in(bob)
    assert len(sessions(alice)) == 1


def test_a_members_style_sheet_is_private_and_has_its_digest_in_its_url(alice: Person) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    version = hashlib.sha256((ROOT / "templates/accounts/me.css").read_bytes()).hexdigest()[:12]
    for person in (alice, bob):
        address = html.unescape(re.findall(r'href="(/me\.css[^"]*)"', person.get("/").text)[0])
        assert address == f"/me.css?u={person.id}&v={version}"
        sheet = person.get(address)
        assert sheet.headers["content-type"] == "text/css; charset=utf-8"
        assert sheet.headers["cache-control"] == "private, max-age=86400"
        assert f'.reaction[data-by~="{person.id}"] {{' in sheet.text
    assert alice.get("/me.css").text != bob.get("/me.css").text


def test_the_chosen_theme_is_on_every_page_even_error_pages(alice: Person) -> None:
    plain = alice.get("/profile").text
    assert "data-theme" not in plain
    assert 'name="color-scheme" content="light dark"' in plain
    assert alice.submit("/profile/theme", {"theme": "dark"}).headers["location"] == "/profile?saved=theme"
    for path in ("/", "/rooms/1", "/profile", "/nothing", "/rooms/999"):
        page = alice.get(path).text
        assert re.search(r'<html lang="en"[^>]* data-theme="dark">', page), path
        assert 'name="color-scheme" content="dark"' in page, path
    refused = alice.submit("/profile/theme", {"theme": "pink"})
    assert refused.status_code == 422
    assert "Choose how the chat looks" in refused.text
    assert 'data-theme="dark"' in refused.text
    assert "data-theme" not in browser(alice.server).get("/sign-in").text
    assert "data-theme" not in sign_up(alice.server, "Bob Brown").get("/").text
    assert alice.submit("/profile/theme", {"theme": "system"}).status_code == 303
    assert "data-theme" not in alice.get("/").text


def test_pages_show_times_in_the_chosen_zone_and_by_the_chosen_clock(alice: Person) -> None:
    url, bob = alice.server.database_url, sign_up(alice.server, "Bob Brown")
    bob.post(1, "you, @Alice Adams?")
    query(url, "UPDATE messages SET created_at = '2026-03-04 22:06Z' RETURNING 1")
    query(url, "UPDATE sessions SET created_at = '2026-07-04 00:06Z' RETURNING 1")
    assert "Wednesday, 4 March 2026, 22:06 UTC</time>" in alice.get("/mentions").text
    chosen = alice.submit("/profile/times", {"time_zone": "Europe/Berlin", "hours": "12"})
    assert chosen.headers["location"] == "/profile?saved=times"
    assert "Wednesday, 4 March 2026, 11:06 pm</time>" in alice.get("/mentions").text
    profile = alice.get("/profile").text
    assert "Saturday, 4 July 2026, 2:06 am</time>" in profile
    assert '<option value="Europe/Berlin" selected>Berlin</option>' in profile
    assert '<html lang="en" data-me="1" data-time-zone="Europe/Berlin" data-hour-cycle="h12">' in profile
    assert alice.submit("/profile/times", {"time_zone": "Asia/Tokyo", "hours": "24"}).status_code == 303
    assert "Thursday, 5 March 2026, 07:06</time>" in alice.get("/mentions").text
    assert alice.submit("/profile/times", {"time_zone": "", "hours": ""}).status_code == 303
    assert '<html lang="en" data-me="1">' in alice.get("/profile").text


def test_an_unknown_zone_or_clock_is_refused_and_the_other_choice_kept(alice: Person) -> None:
    for bad in ("Europe/Atlantis", "../../etc/passwd", "x" * 1000):
        refused = alice.submit("/profile/times", {"time_zone": bad, "hours": "12"})
        assert refused.status_code == 422
        assert "Choose a time zone from the list" in refused.text
        assert 'name="hours" value="12" checked' in refused.text
    refused = alice.submit("/profile/times", {"time_zone": "Asia/Tokyo", "hours": "13"})
    assert "Choose a clock" in refused.text
    assert '<option value="Asia/Tokyo" selected>' in refused.text
    query(alice.server.database_url, "UPDATE users SET time_zone = 'Europe/Atlantis' RETURNING 1")
    assert alice.get("/profile").status_code == 200, "a zone that no longer exists causes no error"


def test_other_members_see_the_local_time_of_a_member(alice: Person) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    assert "there." not in alice.get(f"/people/{bob.id}").text
    assert bob.submit("/profile/times", {"time_zone": "Asia/Kathmandu", "hours": "12"}).status_code == 303
    before = datetime.now(ZoneInfo("Asia/Kathmandu"))
    page = alice.get(f"/people/{bob.id}").text
    after = datetime.now(ZoneInfo("Asia/Kathmandu"))
    assert any(f"It is {moment:%H:%M} on {moment:%A} there." in page for moment in (before, after))
    assert "there." not in bob.get(f"/people/{bob.id}").text


def levels(person: Person) -> list[tuple[str, str]]:
    """The notification level of each of a member's rooms."""
    statement = (
        "SELECT coalesce(rooms.name, 'direct') AS name, level FROM memberships "
        f"JOIN rooms ON rooms.id = room_id WHERE user_id = {person.id} ORDER BY room_id"
    )
    return [(row["name"], row["level"]) for row in query(person.server.database_url, statement)]


def test_every_way_into_a_room_applies_the_members_default_level(alice: Person) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    assert levels(bob) == [("Lobby", "mentions")]
    choice = {"room_level": "everything", "direct_level": "nothing"}
    assert bob.submit("/profile/levels", choice).headers["location"] == "/profile?saved=levels"
    joined, added = alice.create_room("Joined"), alice.create_room("Added", "closed")
    asked = alice.create_room("Asked")
    bob.join(joined)
    alice.submit(f"/rooms/{added}/members", {"person": bob.id})
    alice.post(asked, "/invite Bob Brown")
    bob.create_room("Own")
    alice.open_direct(bob)
    assert levels(bob) == [
        ("Lobby", "mentions"),
        ("Joined", "everything"),
        ("Added", "everything"),
        ("Asked", "everything"),
        ("Own", "everything"),
        ("direct", "nothing"),
    ]
    assert levels(alice)[-1] == ("direct", "everything"), "each has chosen for themselves"


def test_the_default_level_applies_to_all_but_hidden_rooms(alice: Person) -> None:
    bob, quiet = sign_up(alice.server, "Bob Brown"), alice.create_room("Quiet")
    alice.open_direct(bob)
    alice.submit(f"/rooms/{quiet}/level", {"level": "hidden"})
    choice = {"room_level": "nothing", "direct_level": "nothing", "everywhere": "yes"}
    assert alice.submit("/profile/levels", choice).headers["location"] == "/profile?saved=levels-everywhere"
    assert levels(alice) == [("Lobby", "nothing"), ("Quiet", "hidden"), ("direct", "nothing")]
    assert levels(bob) == [("Lobby", "mentions"), ("direct", "everything")]
    for bad in ({"room_level": "hidden"}, {"direct_level": "mentions"}, {"room_level": ""}):
        refused = alice.submit("/profile/levels", choice | bad)
        assert refused.status_code == 422
        assert refused.text.count("Choose what to be notified of") == 1
    assert 'name="room_level" value="nothing" checked' in alice.get("/profile").text


def test_a_member_signs_in_with_their_new_address(alice: Person) -> None:
    bob = sign_up(alice.server, "Bob Brown")

    def attempt(email: str, password: str = PASSWORD) -> httpx.Response:
        return bob.submit("/profile/email", {"email": email, "email_password": password})

    wrong = attempt("bob@new.example", "wrong")
    assert wrong.status_code == 422
    assert "not your current password" in wrong.text
    assert 'value="bob@new.example"' in wrong.text, "the input is kept"
    assert "such as name@example.org" in attempt("no address").text
    assert "already signed up" in attempt(alice.email.upper()).text
    assert attempt("bob@new.example").headers["location"] == "/profile?saved=email"
    assert is_in(bob)
    bob.email = "bob@new.example"
    assert is_in(sign_in(bob.server, bob))
    old = {"email": "bob.brown@example.org", "password": PASSWORD}
    assert browser(bob.server).post("/sign-in", data=old).status_code == 422
    assert attempt("BOB@new.example").status_code == 303, "Bob's own address in capitals"
