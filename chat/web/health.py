"""Whether the process lives, and whether it can serve."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


async def is_alive(request: Request) -> Response:
    """200 while the process lives."""
    return PlainTextResponse("ok")


async def is_ready(request: Request) -> Response:
    """Answer load balancers: 200 while pages work and the process is not shutting down, else 503 and one line."""
    obstacle: str = await request.app.state.readiness.obstacle()
    return PlainTextResponse(obstacle or "ready", status_code=503 if obstacle else 200)


routes = [Route("/healthz", is_alive), Route("/readyz", is_ready)]
