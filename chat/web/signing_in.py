"""Signs a person in on the requesting browser."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chat.accounts.sessions import open_session
from chat.accounts.tokens import Tokens
from chat.ids import SessionId, UserId
from chat.web.cookies import give_tokens
from chat.web.middleware.throttling import welcome_browser


async def begin_session(request: Request, connection: AsyncConnection, user_id: UserId) -> Tokens:
    """Open a session for this browser; the one it had until now ends in the same transaction."""
    state = request.app.state
    return await open_session(
        connection,
        state.signer,
        user_id,
        request.headers.get("user-agent", ""),
        datetime.now(UTC),
        longest=state.settings.session_lifetime,
        instead_of=_earlier_session(request),
    )


async def signed_in(request: Request, tokens: Tokens, email: str, destination: str) -> Response:
    """Redirect after signing in; closes open pages of the previous session."""
    earlier = _earlier_session(request)
    if earlier is not None:
        await request.app.state.notices.end_sessions([earlier])
    response = RedirectResponse(destination, status_code=303)
    give_tokens(request, response.headers, tokens)
    await welcome_browser(request, response, email)
    return response


def _earlier_session(request: Request) -> SessionId | None:
    return request.state.visitor.session_id if request.state.visitor else None
