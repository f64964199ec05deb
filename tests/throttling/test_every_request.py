"""The outer limits: every request to every route is counted."""

import logging

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from chat.accounts.person import Visitor
from chat.state import Request
from chat.throttling.rules import ANONYMOUS, CONNECT, HOUR, MINUTE, READ, SIGN_IN, SIGN_UP, STATIC_FILE, WRITE, Rule
from chat.throttling.throttling import Throttling
from chat.web.middleware.throttling import ThrottleMiddleware

pytestmark = pytest.mark.anyio

BOB = Visitor.__new__(Visitor)
object.__setattr__(BOB, "id", 2)


async def served(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("served")(scope, receive, send)


async def never() -> Message:
    raise AssertionError("a body is read")


async def refuse(request: Request, error: Exception) -> Response:
    return PlainTextResponse("refused", status_code=429)


async def statuses(times: int, **scope: object) -> list[int]:
    """Send requests in turn; returns their statuses."""
    app = ThrottleMiddleware(served, Throttling(None, 1), refuse)
    found: list[int] = []

    async def send(message: Message) -> None:
        if "status" in message:
            found.append(message["status"])

    async def receive() -> Message:
        return {"type": "http.request"}

    for _ in range(times):
        known = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": ("192.0.2.1", 1)}
        await app(
            {**known, "extensions": {"websocket.http.response": {}}, "state": {"visitor": None}, **scope}, receive, send
        )
    return found


@pytest.mark.parametrize(
    ("rule", "scope"),
    [
        (ANONYMOUS, {"path": "/sign-in"}),
        (ANONYMOUS, {"path": "/sign-in", "method": "POST"}),
        (ANONYMOUS, {"path": "/live", "type": "websocket"}),
        (READ, {"path": "/rooms/1", "state": {"visitor": BOB}}),
        (WRITE, {"path": "/whatever/comes", "method": "POST", "state": {"visitor": BOB}}),
        (WRITE, {"path": "/whatever/comes", "method": "DELETE", "state": {"visitor": BOB}}),
        (CONNECT, {"path": "/live", "type": "websocket", "state": {"visitor": BOB}}),
        (STATIC_FILE, {"path": "/static/css/base.css"}),
    ],
)
async def test_every_request_counts(rule: Rule, scope: dict[str, object]) -> None:
    amount = rule.budgets[0].amount
    assert await statuses(amount + 2, **scope) == [200] * amount + [429] * 2


async def test_addresses_of_an_ipv6_network_share_a_count() -> None:
    app = ThrottleMiddleware(served, Throttling(None, 1), refuse)
    found: list[object] = []

    async def send(message: Message) -> None:
        found.append(message.get("status"))

    for number in range(1300):
        client = (f"2001:db8:0:1:{number:x}::1", 1)
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": client}
        await app({**scope, "state": {"visitor": None}}, never, send)
    assert found.count(429) == 100


async def test_load_balancers_may_check_health_under_any_host() -> None:
    assert set(await statuses(13_000, path="/healthz")) == {200}


def test_a_class_of_forty_behind_an_address_signs_up_within_a_lesson() -> None:
    by_address = [budget for budget in SIGN_UP.budgets if budget.per == "address"]
    for budget in by_address:
        assert budget.amount * (10 * MINUTE / min(budget.seconds, 10 * MINUTE)) >= 40
    assert min(budget.amount for budget in SIGN_UP.budgets if budget.seconds == HOUR) >= 40
    # Each pupil makes two mistakes.
    assert next(budget.amount for budget in SIGN_IN.budgets if budget.per == "address") >= 3 * 40


async def test_a_flood_writes_a_single_line_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await statuses(1500, path="/sign-in")
    assert [record.getMessage() for record in caplog.records] == ["throttled"]
