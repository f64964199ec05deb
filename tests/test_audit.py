"""The audit log."""

import ast
import json
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from websockets import Origin
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from chat import audit
from chat.audit import RequestContext, request_context
from chat.ids import UserId
from tests.support.databases import query
from tests.support.people import PASSWORD, Person, browser, first_run, room_in, sign_in, sign_up
from tests.support.server import ROOT, SETUP_CODE, ChatServer
from tests.test_backup import chat

OTHER_PASSWORD, WRONG = "an entirely other horse", "not the right one"
# Every event that the walk below provokes, and the tests of the others.
WALKED = {
    *("chat_set_up", "set_up_refused", "signed_up", "sign_up_refused", "sign_up_changed"),
    *("signed_in", "sign_in_failed", "signed_out", "session_ended", "other_sessions_ended", "session_copied"),
    *("renamed", "picture_changed", "look_changed", "email_changed", "password_changed", "own_password_failed"),
    *("invite_made", "invite_used", "invite_ended", "invite_refused"),
    *("room_opened", "room_changed", "room_archived", "room_restored", "room_deleted"),
    *("member_joined", "member_left", "member_added", "member_removed", "owner_made", "owner_ended"),
    *("message_deleted", "markup_given_up", "refused", "cross_site_refused", "throttled"),
}
HELD_ELSEWHERE = {
    "backup_made": "test_audit.py::test_a_backup_and_a_restore_each_write_a_line",
    "backup_restored": "test_audit.py::test_a_backup_and_a_restore_each_write_a_line",
    "connections_dropped": "serving/test_connections.py::test_the_log_says_how_many_connections_were_ended_and_why",
}


def test_an_event_is_recorded_with_its_details_and_its_request(caplog: pytest.LogCaptureFixture) -> None:
    token = request_context.set(RequestContext("r-1", "203.0.113.9", UserId(7)))
    try:
        with caplog.at_level(logging.INFO, "chat.audit"):
            audit.record("member_removed", room_id=3)
    finally:
        request_context.reset(token)
    (line,) = caplog.records
    assert line.getMessage() == "member_removed"
    assert vars(line)["fields"] == {"address": "203.0.113.9", "user_id": 7, "request_id": "r-1", "room_id": 3}


def events(server: ChatServer) -> list[dict[str, object]]:
    """The audit log of a server that has ended."""
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["logger"] == "chat.audit"]


class Walk:
    """Acts in order, each with the event expected in the log."""

    def __init__(self, server: ChatServer) -> None:
        self.server = server
        self.expected: list[tuple[str, int | None, str]] = []
        self.secrets = {PASSWORD, OTHER_PASSWORD, WRONG, SETUP_CODE, "argon2", "a message that only"}

    def act(self, event: str, answer: httpx.Response, user_id: int | None) -> httpx.Response:
        """Expect a line of the log for an answered act."""
        self.expected.append((event, user_id, answer.headers.get("x-request-id", "")))
        self.keep_secret(*(cookie.partition("=")[2].split(";")[0] for cookie in answer.headers.get_list("set-cookie")))
        return answer

    def done(self, event: str, user_id: int | None, person: Person | None = None) -> None:
        """Note an act of which no answer was kept."""
        self.expected.append((event, user_id, ""))
        if person is not None:
            self.keep_secret(*(cookie.value or "" for cookie in person.client.cookies.jar))

    def keep_secret(self, *values: str) -> None:
        """The log must hold none of these."""
        self.secrets.update(value for value in values if len(value) > 8)

    def token(self, page: httpx.Response) -> str:
        """The invite token that a page shows, which must not get into the log."""
        token = re.findall(r"/(?:invite|join)/([\w-]{16,})", page.text)[0]
        self.keep_secret(token)
        return str(token)

    def check(self) -> None:
        """End the server and compare its log with the acts."""
        self.server.stop()
        found = [line for line in events(self.server) if line["event"] in WALKED]
        assert [line["event"] for line in found] == [event for event, _, _ in self.expected]
        for line, (event, user_id, request_id) in zip(found, self.expected, strict=True):
            assert line["address"] == "127.0.0.1", event
            assert line.get("user_id") == user_id, event
            assert request_id in ("", line["request_id"]), event
            assert line["request_id"], event
        log = self.server.log
        assert [secret for secret in self.secrets if secret in log] == []


def test_each_security_event_is_a_line_with_member_address_and_request(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    walk = Walk(start_server(database_url, LOG_FORMAT="json", RATE_LIMITS="1"))
    alice, bob = set_up(walk)
    rooms_and_members(walk, alice, bob)
    links_and_sign_up(walk, alice, bob)
    signing_in_and_out(walk, bob)
    own_account(walk, bob)
    refusals(walk, alice, bob)
    # Posting and reading are no events.
    alice.post(1, "a message that only its room may read")
    alice.get("/rooms/1")
    walk.check()
    assert {event for event, _, _ in walk.expected} == WALKED


def set_up(walk: Walk) -> tuple[Person, Person]:
    stranger = browser(walk.server)
    walk.act("set_up_refused", stranger.get("/first-run", params={"code": WRONG}), None)
    walk.act("set_up_refused", stranger.post("/first-run", data={"code": WRONG}), None)
    alice = first_run(walk.server)
    walk.done("chat_set_up", 1, alice)
    bob = sign_up(walk.server, "Bob Brown")
    walk.done("signed_up", 2, bob)
    return alice, bob


def rooms_and_members(walk: Walk, alice: Person, bob: Person) -> None:
    room = room_in(walk.act("room_opened", alice.submit("/rooms", {"name": "Kitchen", "kind": "open"}), 1))
    walk.act("member_joined", bob.join(room), 2)
    walk.act("owner_made", alice.submit(f"/rooms/{room}/members/2/owner"), 1)
    walk.act("owner_ended", alice.submit(f"/rooms/{room}/members/2/owner/end"), 1)
    walk.act("member_left", bob.submit(f"/rooms/{room}/leave"), 2)
    walk.act("member_added", alice.submit(f"/rooms/{room}/members", {"person": "2"}), 1)
    walk.act("member_removed", alice.submit(f"/rooms/{room}/members/2/remove"), 1)
    walk.act("member_added", alice.post(room, "/invite Bob Brown"), 1)
    walk.act("member_left", bob.post(room, "/leave"), 2)
    settings = {"name": "Kitchen", "kind": "closed", "posting": "managers", "slow_seconds": "0"}
    walk.act("room_changed", alice.submit(f"/rooms/{room}/settings", settings), 1)
    walk.act("room_archived", alice.submit(f"/rooms/{room}/archive"), 1)
    walk.act("room_restored", alice.submit(f"/rooms/{room}/restore"), 1)
    walk.act("room_deleted", alice.submit(f"/rooms/{room}/delete", {"name": "Kitchen"}), 1)
    walk.act("look_changed", alice.submit("/admin/accent", {"accent": "#336699"}), 1)
    for person in (alice, bob):
        person.post(1, "a message that only its room may read")
    first, second = (row["id"] for row in query(walk.server.database_url, "SELECT id FROM messages ORDER BY id")[-2:])
    alice.delete(first)  # her own
    walk.act("message_deleted", alice.delete(second), 1)
    walk.act("markup_given_up", bob.post(1, "a message that only takes too long: " + "http://[" * 1240), 2)


def links_and_sign_up(walk: Walk, alice: Person, bob: Person) -> None:
    room = room_in(walk.act("room_opened", alice.submit("/rooms", {"name": "Staff", "kind": "closed"}), 1))
    walk.act("invite_made", alice.submit(f"/rooms/{room}/invite", {"days": "7", "uses": "5"}), 1)
    to_room = walk.token(alice.get(f"/rooms/{room}/invite"))
    walk.act("invite_used", bob.submit(f"/join/{to_room}"), 2)
    walk.act("invite_ended", alice.submit(f"/rooms/{room}/invite/end"), 1)
    walk.act("invite_refused", bob.submit(f"/join/{to_room}"), 2)
    walk.act("sign_up_changed", alice.submit("/admin/sign-up", {"open": "no"}), 1)
    walk.act("invite_made", alice.submit("/admin/invite", {"days": "7", "uses": "5"}), 1)
    to_chat = walk.token(alice.get("/admin"))
    carol = sign_up(walk.server, "Carol Clark", to_chat)
    walk.done("signed_up", 3, carol)
    number = re.findall(r"/admin/invites/(\d+)/end", alice.get("/admin/invites").text)[0]
    walk.act("invite_ended", alice.submit(f"/admin/invites/{number}/end"), 1)
    fields = {"name": "Dora Dean", "email": "dora@example.org", "password": PASSWORD, "invite": to_chat}
    stranger = browser(walk.server)
    walk.act("sign_up_refused", stranger.post("/sign-up", data=fields), None)
    walk.act("invite_refused", stranger.get(f"/join/{to_room}"), None)


def signing_in_and_out(walk: Walk, bob: Person) -> None:
    stranger = browser(walk.server)
    walk.act("sign_in_failed", stranger.post("/sign-in", data={"email": bob.email, "password": WRONG}), None)
    walk.act("signed_in", stranger.post("/sign-in", data={"email": bob.email, "password": PASSWORD}), 2)
    walk.act("signed_out", stranger.post("/sign-out"), 2)
    walk.act("signed_in", stranger.post("/sign-in", data={"email": bob.email, "password": PASSWORD}), 2)
    first = stranger.cookies["simplechat-refresh"]
    for refresh in (first, None):
        stranger.cookies.delete("simplechat-access")
        page = stranger.get("/profile")
        walk.keep_secret(*page.cookies.values())
        assert page.status_code == 200, refresh
    thief = browser(walk.server)
    thief.cookies.set("simplechat-refresh", first)
    walk.act("session_copied", thief.get("/profile"), 2)


def own_account(walk: Walk, bob: Person) -> None:
    walk.act("renamed", bob.submit("/profile/name", {"name": "Robert Brown"}), 2)
    walk.act("picture_changed", bob.submit("/profile/face/remove"), 2)
    again = sign_in(walk.server, bob)
    walk.done("signed_in", 2, again)
    number = re.findall(r"/profile/sessions/(\d+)/end", bob.get("/profile").text)[0]
    walk.act("session_ended", bob.submit(f"/profile/sessions/{number}/end"), 2)
    walk.act("other_sessions_ended", bob.submit("/profile/sessions/end-others"), 2)
    address = {"email": "robert@example.org", "email_password": PASSWORD}
    walk.act("own_password_failed", bob.submit("/profile/email", address | {"email_password": WRONG}), 2)
    walk.act("email_changed", bob.submit("/profile/email", address), 2)
    walk.act(
        "password_changed",
        bob.submit("/profile/password", {"current_password": PASSWORD, "password": OTHER_PASSWORD}),
        2,
    )
    guess = {"current_password": WRONG, "password": OTHER_PASSWORD}
    while (answer := bob.submit("/profile/password", guess)).status_code != 429:
        walk.act("own_password_failed", answer, 2)
    walk.act("throttled", answer, 2)


def refusals(walk: Walk, alice: Person, bob: Person) -> None:
    walk.act("refused", bob.get("/admin"), 2)
    walk.act("refused", bob.submit("/rooms/1/archive"), 2)
    walk.act("cross_site_refused", bob.client.post("/rooms", headers={"Sec-Fetch-Site": "cross-site"}), None)
    cookies = "; ".join(f"{name}={value}" for name, value in alice.client.cookies.items())
    with (
        pytest.raises(InvalidStatus),
        connect(
            walk.server.url.replace("http", "ws") + "/live",
            origin=Origin("https://evil.example"),
            additional_headers={"Cookie": cookies},
        ),
    ):
        pass
    walk.done("cross_site_refused", 1)


def test_using_a_link_after_its_last_use_is_recorded(alice: Person) -> None:
    alice.submit("/admin/sign-up", {"open": "no"})
    alice.submit("/admin/invite", {"days": "7", "uses": "1"})
    token = re.findall(r"/invite/([\w-]{16,})", alice.get("/admin").text)[0]
    visitors = [browser(alice.server) for _ in range(3)]

    def come(number: int) -> int:
        fields = {"name": f"Visitor {number}", "email": f"{number}@example.org", "password": PASSWORD, "invite": token}
        return visitors[number].post("/sign-up", data=fields).status_code

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(come, range(3))) == [303, 403, 403]
    alice.server.stop()
    assert alice.server.log.count("sign_up_refused") == 2


def test_a_backup_and_a_restore_each_write_a_line(alice: Person, tmp_path: Path) -> None:
    file, url = tmp_path / "monday.backup", alice.server.database_url
    for event, arguments in (("backup_made", ("backup",)), ("backup_restored", ("restore", "--replace"))):
        done = chat(*arguments, file, database_url=url)
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stderr.splitlines() if "chat.audit" in line]
        assert len(lines) == 1, done.stderr
        assert f"{event} file=monday.backup" in lines[0]
        assert "argon2" not in done.stderr


def test_a_test_provokes_every_event_in_the_source() -> None:
    recorded = [
        node
        for file in (ROOT / "chat").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("audit.record", "record")
    ]
    names = {node.args[0].value for node in recorded if isinstance(node.args[0], ast.Constant)}
    assert len(recorded) > 30
    assert all(isinstance(node.args[0], ast.Constant) for node in recorded), "an event's name is a string"
    assert names == WALKED | HELD_ELSEWHERE.keys()
    assert not WALKED & HELD_ELSEWHERE.keys()
    for event, test in HELD_ELSEWHERE.items():
        path, _, name = test.partition("::")
        story = (ROOT / "tests" / path).read_text().split(f"def {name}(")[1].split("\ndef ")[0]
        assert event in story, test
