"""The audit log."""

import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from chat import audit
from chat.audit import RequestContext, request_context
from chat.ids import UserId
from tests.support.people import PASSWORD, browser, first_run, room_in, sign_up
from tests.support.server import ChatServer


def test_an_event_is_recorded_with_its_details_and_its_request(caplog: pytest.LogCaptureFixture) -> None:
    token = request_context.set(RequestContext("r-1", "203.0.113.9", UserId(7)))
    try:
        with caplog.at_level(logging.INFO, "chat.audit"):
            audit.record("member_removed", room_id=3)
    finally:
        request_context.reset(token)
    (line,) = caplog.records
    assert line.getMessage() == "member_removed"
    assert line.fields == {"address": "203.0.113.9", "user_id": 7, "request_id": "r-1", "room_id": 3}  # type: ignore[attr-defined]


def events(server: ChatServer) -> list[dict[str, Any]]:
    """The audit log of a server that has ended."""
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["logger"] == "chat.audit"]


def test_each_act_that_matters_is_one_line_with_who_from_where_and_in_which_request(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, LOG_FORMAT="json")
    alice = first_run(server)
    bob = sign_up(server, "Bob Brown")
    expected: list[tuple[str, int | None, str]] = [("signed_up", 2, "")]

    def act(event: str, answer: httpx.Response, user_id: int | None) -> httpx.Response:
        expected.append((event, user_id, answer.headers["x-request-id"]))
        return answer

    wrong = {"email": bob.email, "password": "not the right one"}
    stranger = browser(server)
    act("sign_in_failed", stranger.post("/sign-in", data=wrong), None)
    act("signed_in", stranger.post("/sign-in", data={"email": bob.email, "password": PASSWORD}), 2)
    act("signed_out", stranger.post("/sign-out"), 2)
    act("renamed", bob.submit("/profile/name", {"name": "Robert Brown"}), 2)
    act("refused", bob.client.get("/admin"), 2)
    act("cross_site_refused", bob.client.post("/rooms", headers={"Sec-Fetch-Site": "cross-site"}), None)
    opened = act("room_opened", alice.submit("/rooms", {"name": "Kitchen", "kind": "open"}), 1)
    room = room_in(opened)
    act("member_joined", bob.join(room), 2)
    act("refused", bob.submit(f"/rooms/{room}/archive"), 2)
    act("owner_made", alice.submit(f"/rooms/{room}/members/2/owner"), 1)
    act("owner_ended", alice.submit(f"/rooms/{room}/members/2/owner/end"), 1)
    act("member_left", bob.submit(f"/rooms/{room}/leave"), 2)
    act("member_added", alice.submit(f"/rooms/{room}/members", {"person": "2"}), 1)
    act("member_removed", alice.submit(f"/rooms/{room}/members/2/remove"), 1)
    settings = {"name": "Kitchen", "kind": "closed", "posting": "managers", "slow_seconds": "0"}
    act("room_changed", alice.submit(f"/rooms/{room}/settings", settings), 1)
    act("room_archived", alice.submit(f"/rooms/{room}/archive"), 1)
    act("room_restored", alice.submit(f"/rooms/{room}/restore"), 1)
    act("room_deleted", alice.submit(f"/rooms/{room}/delete", {"name": "Kitchen"}), 1)
    # What is said is no event, nor is what is looked at.
    alice.post(1, "a message that only its room may read")
    alice.get("/rooms/1")
    server.stop()

    kinds = {event for event, _, _ in expected}
    found = [line for line in events(server) if line["event"] in kinds]
    assert [line["event"] for line in found] == [event for event, _, _ in expected]
    for line, (event, user_id, request_id) in zip(found, expected, strict=True):
        assert line["address"] == "127.0.0.1", event
        assert line.get("user_id") == user_id, event
        assert request_id in ("", line["request_id"]), event
    cookies = [cookie.value or "" for person in (alice, bob) for cookie in person.client.cookies.jar]
    for secret in (PASSWORD, "not the right one", "argon2", "a message that only", *cookies):
        assert secret not in server.log
