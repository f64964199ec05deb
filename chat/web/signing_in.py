"""Signs a person in on the requesting browser."""

from datetime import UTC, datetime

from starlette.responses import RedirectResponse, Response

from chat.accounts.sessions import open_session
from chat.accounts.tokens import Tokens
from chat.change import Change
from chat.ids import UserId
from chat.state import Request
from chat.web.cookies import give_tokens
from chat.web.middleware.throttling import welcome_browser


async def begin_session(request: Request, change: Change, user_id: UserId) -> Tokens:
    """Open a session for this browser; the session it had before ends in the same transaction."""
    chat, earlier = request.state.chat, request.state.visitor
    return await open_session(
        change,
        chat.signer,
        user_id,
        request.headers.get("user-agent", ""),
        datetime.now(UTC),
        longest=chat.settings.session_lifetime,
        instead_of=earlier.session_id if earlier else None,
    )


async def signed_in(request: Request, tokens: Tokens, email: str, destination: str) -> Response:
    """Redirect after signing in."""
    response = RedirectResponse(destination, status_code=303)
    give_tokens(request, response.headers, tokens)
    await welcome_browser(request, response, email)
    return response
