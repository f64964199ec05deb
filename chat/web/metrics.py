"""Metrics for a Prometheus: to this machine, and to bearers of `METRICS_TOKEN`."""

from hmac import compare_digest

import anyio.to_thread
from starlette.responses import PlainTextResponse, Response

from chat import audit
from chat.errors import NotFound
from chat.metrics.exposition import CONTENT_TYPE, exposition
from chat.state import Request
from chat.throttling.rules import ANONYMOUS
from chat.web.middleware.client import is_directly_at_this_machine
from chat.web.middleware.throttling import throttle


async def show_metrics(request: Request) -> Response:
    """Return the figures of all processes on this machine, in the text format of Prometheus."""
    token = request.state.chat.settings.metrics_token
    if not (is_directly_at_this_machine(request) or (token is not None and _bears(request, token))):
        # The middleware counts no request for this path, because a Prometheus may ask as often as it likes.
        await throttle(request, ANONYMOUS)
        if token is None:
            raise NotFound
        audit.record("refused", status=401, method=request.method, path="/metrics")
        return PlainTextResponse("the token is missing or wrong", 401, {"WWW-Authenticate": "Bearer"})
    total = await request.state.chat.metrics.total()
    # In a thread: writing 1,500 lines takes long enough to hold up a message.
    return Response(await anyio.to_thread.run_sync(exposition, total), media_type=CONTENT_TYPE)


def _bears(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and compare_digest(given.strip().encode(), token.encode())
