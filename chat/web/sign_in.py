"""Signing in and out."""

from datetime import UTC, datetime

from starlette.responses import RedirectResponse, Response

from chat import audit
from chat.accounts.credentials import authenticate, confirm
from chat.accounts.sessions import revoke_session
from chat.errors import InvalidInput, TooManyRequests
from chat.state import Request
from chat.web.cookies import take_tokens
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.middleware.throttling import asker, throttle_sign_in
from chat.web.pages import page
from chat.web.signing_in import begin_session, signed_in


async def show_sign_in(request: Request) -> Response:
    if request.state.visitor is not None:
        return RedirectResponse("/", status_code=303)
    return _sign_in_page(request, {}, {}, request.query_params.get("next", ""))


async def sign_in(request: Request) -> Response:
    form, chat = await read_form(request), request.state.chat
    email, wanted = form.get("email", ""), form.get("next", "")
    try:
        await throttle_sign_in(request, email)
        credentials = await authenticate(chat.database, email, form.get("password", ""), asker(request, email))
        async with chat.change() as change:
            tokens = await begin_session(request, change, await confirm(change.connection, credentials))
    except InvalidInput as invalid:
        if not isinstance(invalid, TooManyRequests):
            # Log only an e-mail address, because people type passwords into the wrong field.
            audit.record("sign_in_failed", account=email[:254] if "@" in email else "")
        return refused(_sign_in_page(request, form, invalid.errors, wanted), invalid)
    audit.record("signed_in", user_id=credentials.user_id)
    return await signed_in(request, tokens, email, wanted if _is_own_path(wanted) else "/")


async def sign_out(request: Request) -> Response:
    response = RedirectResponse("/sign-in", status_code=303)
    take_tokens(request, response.headers)
    if request.state.visitor is not None:
        session_id = request.state.visitor.session_id
        async with request.state.chat.change() as change:
            await revoke_session(change, session_id, datetime.now(UTC))
        audit.record("signed_out", session_id=session_id)
    return response


def _is_own_path(path: str) -> bool:
    # "//host" and "/\host" lead to other sites.
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()


def _sign_in_page(request: Request, values: dict[str, str], errors: dict[str, str], wanted: str) -> Response:
    installation = request.state.installation
    if installation is None:
        return RedirectResponse("/first-run", status_code=303)
    context = {"values": values, "errors": errors, "next": wanted, "sign_up_open": installation.sign_up_open}
    return page(request, "accounts/sign_in.html", context)
