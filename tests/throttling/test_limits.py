"""The rate limits, on real servers with the real figures."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from tests.support.databases import query
from tests.support.people import PASSWORD, Person, be_too_fast, browser, first_run, sign_in, sign_up
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer

# Their limits are of requests in seconds.
pytestmark = pytest.mark.usefixtures("unmeasured")

StartServer = Callable[..., ChatServer]


@pytest.fixture
def server(start_server: StartServer, database_url: str) -> ChatServer:
    """A server with the real limits."""
    return start_server(database_url, RATE_LIMITS="1")


def guess(
    client: httpx.Client, email: str, password: str = "a wrong guess", address: str = "192.0.2.1"
) -> httpx.Response:
    """An attempt to sign in, from an address behind a proxy on the server's machine."""
    headers = {"X-Forwarded-For": address}
    return client.post("/sign-in", data={"email": email, "password": password}, headers=headers)


def guess_when_allowed(client: httpx.Client, email: str, **options: str) -> tuple[httpx.Response, list[int]]:
    """Try until an attempt is not refused; returns its answer, and the wait of each refusal."""
    waits = []
    while (answer := guess(client, email, **options)).status_code == 429:
        waits.append(int(answer.headers["Retry-After"]))
        time.sleep(waits[-1])
    return answer, waits


def test_guesses_wait_ever_longer_and_delay_no_right_password_and_no_known_browser(alice: Person, bob: Person) -> None:
    # At the same time, as both wait for many seconds.
    with ThreadPoolExecutor() as pool:
        for guesses in (
            pool.submit(guesses_wait_ever_longer_and_the_right_password_still_works, alice),
            pool.submit(guesses_from_elsewhere_do_not_delay_a_known_browser, bob),
        ):
            guesses.result()


def guesses_wait_ever_longer_and_the_right_password_still_works(alice: Person) -> None:
    stranger = browser(alice.server)
    started = time.monotonic()
    waits = [guess_when_allowed(stranger, alice.email)[1] for _ in range(9)]
    # Five attempts at once, and another before the first delay; on a slow machine part of a delay passes.
    assert waits[:6] == [[]] * 6
    assert time.monotonic() - started > 1 + 2 + 4 - 1
    refusal = guess(stranger, alice.email)
    assert refusal.status_code == 429
    assert 4 <= int(refusal.headers["Retry-After"]) <= 8
    answer, _ = guess_when_allowed(stranger, alice.email, password=PASSWORD)
    assert answer.status_code == 303
    again = browser(alice.server)
    assert [guess(again, alice.email).status_code for _ in range(5)] == [422] * 5


def guesses_from_elsewhere_do_not_delay_a_known_browser(bob: Person) -> None:
    bob.submit("/sign-out")
    stranger, waits = browser(bob.server), 0
    answers: list[int] = []
    # Five guesses from each address, until the account's own budget is used up.
    while waits < 8:
        answer = guess(stranger, bob.email, address=f"203.0.113.{len(answers) // 5}")
        waits = int(answer.headers.get("Retry-After", 0))
        if waits < 8:
            time.sleep(waits)
        if not waits:
            answers.append(answer.status_code)
        assert len(answers) < 200
    assert answers[:20] == [422] * 20
    assert guess(browser(bob.server), bob.email, PASSWORD, address="198.51.100.1").status_code == 429
    assert guess(bob.client, bob.email, PASSWORD, address="198.51.100.1").status_code == 303


def test_a_refused_sign_in_says_how_long_to_wait_and_keeps_the_address(alice: Person) -> None:
    stranger = browser(alice.server)
    refusals = [answer for answer in (guess(stranger, alice.email) for _ in range(15)) if answer.status_code == 429]
    page = refusals[-1].text
    assert re.search(r"There were too many attempts to sign in\. Try again in \d+ seconds?\.", page)
    assert f'value="{alice.email}"' in page
    assert "a wrong guess" not in page


def test_rate_limits_do_not_reveal_whether_an_account_exists(alice: Person) -> None:
    stranger, ways = browser(alice.server), []
    for email, address in ((alice.email, "192.0.2.1"), ("nobody@example.org", "192.0.2.2")):
        answers = [guess(stranger, email, address=address) for _ in range(12)]
        ways.append([answer.status_code for answer in answers])
    for way in ways:
        assert way[:6] == [422] * 6
        assert 429 in way


def test_a_forged_cookie_makes_no_browser_known(alice: Person) -> None:
    known = alice.client.cookies["simplechat-browser"]
    header, payload, signature = known.split(".")
    access = alice.client.cookies["simplechat-access"]
    stranger, answers = browser(alice.server), []
    for forged in (f"{header}.{payload}.{signature[::-1]}", f"{header}.{payload}.", access):
        stranger.cookies.set("simplechat-browser", forged)
        answers += [guess(stranger, alice.email).status_code for _ in range(4)]
    assert 429 in answers


def test_a_known_browser_gets_no_extra_guesses(alice: Person) -> None:
    alice.submit("/sign-out")
    answers = [guess(alice.client, alice.email, address=f"192.0.2.{number}").status_code for number in range(12)]
    assert 429 in answers


def test_a_forged_x_forwarded_for_changes_nothing(start_server: StartServer, database_url: str) -> None:
    server = start_server(database_url, RATE_LIMITS="1", FORWARDED_ALLOW_IPS="192.0.2.99")
    alice, stranger = first_run(server), browser(server)
    answers = [guess(stranger, alice.email, address=f"192.0.2.{number}").status_code for number in range(12)]
    assert 429 in answers


def test_many_wrong_passwords_at_once_do_not_delay_other_sign_ins(alice: Person) -> None:
    """150 guesses from three addresses, then sign-ins from another address and from a known browser."""
    alice.submit("/sign-out")
    answers: list[int] = []

    def flood(number: int) -> None:
        with httpx.Client(base_url=alice.server.url, headers={"Origin": alice.server.url}, timeout=60) as client:
            answers.append(guess(client, f"nobody-{number}@example.org", address=f"192.0.2.{number % 3}").status_code)

    with ThreadPoolExecutor(150) as crowd:
        for number in range(150):
            crowd.submit(flood, number)
        # Once some requests are refused, the queue is full.
        deadline = time.monotonic() + 60
        while answers.count(429) < 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        overtaken_by = []
        for client in (browser(alice.server), alice.client):
            hashed = answers.count(422)
            assert guess(client, alice.email, PASSWORD, address="198.51.100.7").status_code == 303
            overtaken_by.append(answers.count(422) - hashed)
    assert answers.count(429) >= 10
    assert max(overtaken_by) <= 20
    assert min(overtaken_by) <= 8


def test_sign_ups_from_an_address_are_limited_but_a_class_can_sign_up(alice: Person) -> None:
    def sign_up_pupil(number: int) -> httpx.Response:
        fields = {"name": f"Pupil {number}", "email": f"pupil{number}@example.org", "password": PASSWORD}
        return browser(alice.server).post("/sign-up", data=fields, headers={"X-Forwarded-For": "192.0.2.1"})

    started = time.monotonic()
    answers: list[httpx.Response] = []
    while len(answers) < 30 and (not answers or answers[-1].status_code != 429):
        answers.append(sign_up_pupil(len(answers)))
    minutes = (time.monotonic() - started) // 60 + 1
    refusal = answers[-1]
    assert len(answers) - 1 >= 20 or refusal.status_code == 303
    assert len(answers) - 1 <= 20 * minutes
    if refusal.status_code == 429:
        assert int(refusal.headers["Retry-After"]) <= 60
        assert "Too many people signed up in a short time." in refusal.text
        assert f'value="Pupil {len(answers) - 1}"' in refusal.text
        assert PASSWORD not in refusal.text
    # Neither mistakes nor sign-ups from other addresses use the budget.
    assert browser(alice.server).post("/sign-up", data={"name": ""}).status_code == 422
    assert sign_up(alice.server, "Bob Brown").id


def test_posting_very_fast_is_refused_and_keeps_the_text(alice: Person) -> None:
    refused = be_too_fast(alice)
    assert "You are sending messages very fast." in refused.text
    page = alice.submit("/rooms/1/messages", {"body": "typed <b>text</b>", "client_id": str(uuid4())})
    assert page.status_code == 429
    assert 1 <= int(page.headers["Retry-After"]) <= 10
    assert "typed &lt;b&gt;text&lt;/b&gt;</textarea>" in page.text
    assert "Try again in" in page.text
    time.sleep(int(page.headers["Retry-After"]))
    assert alice.post(1, "again").status_code == 200
    assert "typed" not in " ".join(alice.reads(1))


def test_a_flood_of_messages_is_limited_to_two_a_second(alice: Person) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda number: alice.post(1, f"message {number}").status_code, range(100)))
    windows = (time.monotonic() - started) // 10 + 2
    assert 20 <= answers.count(200) <= 20 * windows
    assert set(answers) <= {200, 429}
    assert query(alice.server.database_url, "SELECT count(*) FROM messages") == [(answers.count(200),)]


FLOODS: dict[str, tuple[str, Callable[[int], dict[str, str]], int, str]] = {
    "rooms": ("/rooms", lambda n: {"name": f"Room {n}", "kind": "open"}, 10, "You opened many rooms."),
    "links": ("/rooms/1/invite", lambda _: {"days": "7"}, 10, "You made many links."),
    "people": ("/rooms/1/members", lambda _: {"person": "999"}, 60, "You added many people."),
    "talks": ("/direct", lambda _: {"person": "2"}, 30, "You opened many conversations."),
    "profile": ("/profile/name", lambda n: {"name": f"Alice {n}"}, 30, "You changed your profile many times."),
    "picture": ("/profile/face", lambda _: {}, 10, "You are changing pictures very fast."),
    "status": ("/status", lambda _: {"usual": "1"}, 30, "You changed your profile many times."),
    "settings": ("/rooms/1/settings", lambda n: {"name": f"Lobby {n}"}, 30, "You are changing rooms very fast."),
    "password": (
        "/profile/password",
        lambda _: {"current_password": "wrong", "password": PASSWORD},
        20,  # as many as a slow machine lets pass between the first delays
        "There were too many attempts with a wrong password.",
    ),
}


def test_every_action_has_a_rate_limit_that_says_how_long_to_wait(alice: Person, bob: Person) -> None:
    for name, (path, fields, most, words) in FLOODS.items():
        started, number = time.monotonic(), 0
        while (answer := alice.submit(path, fields(number))).status_code != 429:
            number += 1
            assert number <= most * ((time.monotonic() - started) // 60 + 1), name
        assert words in answer.text, name
        assert int(answer.headers["Retry-After"]) >= 1, name
        assert re.search(r"Try again in \d+ (second|minute)", answer.text), name
    answer = alice.submit("/rooms", {"name": "A name to keep", "kind": "closed"})
    assert 'value="A name to keep"' in answer.text
    assert re.search(r'id="name-help" class="field-error">You opened many rooms', answer.text)
    # Other members are not limited.
    assert bob.create_room("Garden")


def test_searching_very_fast_is_refused_beside_the_search_box(alice: Person) -> None:
    started, number = time.monotonic(), 0
    while (answer := alice.get("/search?q=key")).status_code != 429:
        number += 1
        assert number <= 40 * ((time.monotonic() - started) // 60 + 1)
    assert 'value="key"' in answer.text
    assert re.search(
        r'class="field-error" role="alert">You are searching very fast\. Try again in \d+ second', answer.text
    )
    assert int(answer.headers["Retry-After"]) <= 60


def test_changing_messages_very_fast_is_refused_with_a_notice(alice: Person) -> None:
    alice.post(1, "hello")
    started = time.monotonic()
    while (answer := alice.submit("/messages/1/reactions", {"emoji": "👍"}, htmx=True)).status_code != 429:
        assert time.monotonic() - started < 120
    assert 'hx-target="#notice"' in answer.text
    assert "You are changing messages very fast." in answer.text
    plain = alice.submit("/messages/1/pin", {"pinned": "yes"})
    assert plain.status_code == 429
    assert "<h1>Too many requests</h1>" in plain.text
    assert int(plain.headers["Retry-After"]) >= 1
    editor = alice.edit(1, "what I wanted to say")
    assert editor.status_code == 429
    assert "what I wanted to say</textarea>" in editor.text


def test_a_flood_writes_a_single_line_to_the_audit_log(alice: Person) -> None:
    started = time.monotonic()
    while alice.submit("/rooms", {"name": f"Room {uuid4()}", "kind": "open"}).status_code != 429:
        pass
    for _ in range(30):
        alice.submit("/rooms", {"name": "Room", "kind": "open"})
    alice.server.until_logged("rule=open_room")
    lines = [line for line in alice.server.log.splitlines() if "throttled" in line]
    assert 1 <= len(lines) <= 2 + (time.monotonic() - started) // 60
    assert "rule=open_room" in lines[0]
    assert f"user_id={alice.id}" in lines[0]
    stranger = browser(alice.server)
    started = time.monotonic()
    while guess(stranger, alice.email).status_code != 429:
        pass
    for _ in range(5):
        guess(stranger, alice.email)
    alice.server.until_logged("rule=sign_in")
    guessed = [line for line in alice.server.log.splitlines() if "rule=sign_in" in line]
    assert 1 <= len(guessed) <= 1 + (time.monotonic() - started) // 60
    assert alice.email in guessed[0]
    assert "a wrong guess" not in alice.server.log


def open_rooms(person: Person, attempts: int) -> int:
    """Try to open rooms, each over its own connection; returns how many were opened."""
    opened = 0
    for _ in range(attempts):
        fields = {"name": f"Room {uuid4()}", "kind": "open"}
        answer = person.client.post("/rooms", data=fields, headers={"Connection": "close"})
        opened += answer.status_code == 303
    return opened


def test_two_processes_with_postgresql_alone_share_the_limits(start_server: StartServer, database_url: str) -> None:
    alice = first_run(start_server(database_url, RATE_LIMITS="1", WEB_CONCURRENCY="2"))
    opened = open_rooms(alice, 40)
    is_slow = "is away" in alice.server.log
    assert opened == 10 or (is_slow and opened <= 20)


def test_servers_share_limits_through_redis_and_keep_them_without_it(
    start_server: StartServer, database_url: str, redis_server: RedisServer
) -> None:
    servers = [start_server(database_url, redis_server.url, RATE_LIMITS="1") for _ in range(2)]
    alice = first_run(servers[0])
    there = sign_in(servers[1], alice)
    opened = open_rooms(alice, 6) + open_rooms(there, 6)
    assert opened == 10 or any("is away" in server.log for server in servers)
    redis_server.kill()
    assert open_rooms(there, 12) <= 10
    assert sign_in(servers[0], alice).get("/").status_code == 200
    bob = sign_up(servers[1], "Bob Brown")
    assert open_rooms(bob, 15) == 10
