"""Health checks: whether the process lives, and whether it can serve."""

from starlette.responses import PlainTextResponse, Response

from chat.state import Request


async def show_liveness(request: Request) -> Response:
    """Answer 200 while the process lives."""
    return PlainTextResponse("ok")


async def show_readiness(request: Request) -> Response:
    """Answer load balancers: 200 while pages work and the process is not shutting down, else 503 and one line."""
    obstacle = await request.state.chat.readiness.obstacle()
    return PlainTextResponse(obstacle or "ready", status_code=503 if obstacle else 200)
