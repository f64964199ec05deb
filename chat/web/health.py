"""Whether the process lives, and whether it can serve."""

import anyio
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from chat.database import DATABASE_ERRORS

ANSWER_SECONDS = 2.0


async def is_alive(request: Request) -> Response:
    return PlainTextResponse("ok")


async def is_ready(request: Request) -> Response:
    """200 while the database answers and the process is here to stay, 503 otherwise, for load balancers."""
    if request.app.state.departure.under_way:
        return PlainTextResponse("this process is leaving", status_code=503)
    try:
        with anyio.fail_after(ANSWER_SECONDS):
            async with request.app.state.database.connect() as connection:
                await connection.execute(text("SELECT 1"))
    except DATABASE_ERRORS:
        return PlainTextResponse("the database does not answer", status_code=503)
    return PlainTextResponse("ready")


routes = [Route("/healthz", is_alive), Route("/readyz", is_ready)]
