"""The audit log."""

import logging

import pytest

from chat import audit
from chat.audit import RequestContext, request_context
from chat.ids import UserId


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
