"""Answers that only trigger an event on the requesting page (htmx's `HX-Trigger`)."""

import json

from starlette.responses import Response


def with_trigger(event: str, **detail: object) -> Response:
    """Return an empty answer that triggers `event` with these details on the page."""
    return Response(headers={"HX-Trigger": json.dumps({event: detail})})
