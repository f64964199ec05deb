"""Error pages: maps every error to a status and a page."""

import logging
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from chat import audit
from chat.audit import request_context
from chat.errors import DatabaseUnavailable, Forbidden, InvalidInput, NotFound, SignInNeeded, TooManyRequests
from chat.files.store import StoreFull, StoreUnavailable
from chat.state import Request
from chat.web.middleware.origin import explain_refusal
from chat.web.middleware.requests import loggable_path
from chat.web.pages import is_htmx, page

STORE_AWAY = "The store of the chat's files does not answer. Try again in a moment."
DISK_FULL = "The disk of the chat's files is full. Reading still works. Tell an administrator."
logger = logging.getLogger(__name__)

EXPLANATIONS = {
    400: ("That request made no sense", "Go back and try again."),
    403: ("That is not allowed", "Go back, or ask an administrator."),
    404: ("There is nothing here", "It may have been removed, or you may not be allowed to see it."),
    405: ("That cannot be done here", "Go back and try again."),
    413: ("That is too much at once", "Send less at a time."),
    409: ("That has changed in the meantime", "Go back and try again."),
    415: ("This form cannot be read", "Go back and try again."),
    429: ("Too many requests", "Wait a moment, then try again."),
    500: ("Something went wrong on our side", "Your unsent text is kept. Try again in a moment."),
    503: (
        "The chat is having a short break",
        "Its database does not answer. Nothing you sent is lost. This page retries soon.",
    ),
}


def error_page(request: Request, status: int, explanation: str | None = None) -> Response:
    """Return the page of a status, or a short notice for a request by htmx."""
    heading, usual = EXPLANATIONS.get(status, EXPLANATIONS[500 if status >= 500 else 400])
    for name in ("visitor", "installation"):
        if not hasattr(request.state, name):
            setattr(request.state, name, None)
    if not hasattr(request.state, "installation_name"):
        request.state.installation_name = "simplechat"
    asked = request_context.get()
    context: dict[str, object] = {"status": status, "heading": heading, "explanation": explanation or usual}
    context["request_id"] = asked.request_id if asked is not None and status == 500 else ""
    # A page may be requested again without harm.
    context["tries_again"] = status == 503 and request.method == "GET"
    if "X-Beside" in request.headers:
        # A message that waits in the outbox shows the reason itself.
        context["reason"] = f"{heading}. {context['explanation']}"
        return page(request, "_reason.html", context, status_code=status)
    return page(request, "_error.html" if is_htmx(request) else "error.html", context, status_code=status)


def refuse_origin(request: Request) -> Response:
    """Answer an unsafe request that another site made."""
    audit.record("cross_site_refused", method=request.method, path=loggable_path(request.scope))
    return error_page(request, 403, explain_refusal(request, request.state.chat.settings.public_url))


def refuse_malformed(request: Request) -> Response:
    """Answer a URL that is not valid UTF-8."""
    return error_page(request, 400, "The page's address is not valid UTF-8.")


def refuse_large(request: Request) -> Response:
    """Answer a body that is larger than any of our forms."""
    return error_page(request, 413)


def refuse_crowd(request: Request) -> Response:
    """Answer a person who is not signed in, while their address has too many requests in progress."""
    response = error_page(request, 503, "Too many people come from your network at once. Try again in a moment.")
    response.headers["Retry-After"] = "5"
    return response


async def on_client_disconnect(request: Request, _: Exception) -> Response:
    """Answer a client that disconnected while sending its form; the response is never read."""
    return Response(status_code=400)


async def on_not_found(request: Request, _: Exception) -> Response:
    if "X-Unasked" in request.headers:
        # The page asked by itself, and its socket has told a removed member already.
        return Response(status_code=204)
    _record_refusal(request, 404)
    return error_page(request, 404)


async def on_forbidden(request: Request, error: Exception) -> Response:
    _record_refusal(request, 403)
    return error_page(request, 403, str(error))


def _record_refusal(request: Request, status: int) -> None:
    audit.record("refused", status=status, method=request.method, path=loggable_path(request.scope))


async def on_invalid_input(request: Request, error: Exception) -> Response:
    # Handlers show the form again; this is for input that none of our forms sends.
    assert isinstance(error, InvalidInput)
    return error_page(request, 422, " ".join(error.errors.values()))


async def on_too_many_requests(request: Request, error: Exception) -> Response:
    # Handlers show the form again with its input; this is for pages, and for requests without a field for the error.
    assert isinstance(error, TooManyRequests)
    if "X-Unasked" in request.headers:
        return refused(Response(), error, status=204)
    # The outbox counts the seconds down.
    explanation = error.why if "X-Beside" in request.headers else " ".join(error.errors.values())
    return refused(error_page(request, error.status, explanation), error)


def refused(response: Response, error: InvalidInput, status: int | None = None) -> Response:
    """Give a page that explains a refusal its status, and the time after which a retry may succeed."""
    response.status_code = status or error.status
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.seconds)
    return response


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = error_page(request, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def on_sign_in_needed(request: Request, _: Exception) -> Response:
    if "X-Unasked" in request.headers:
        # The page asked by itself, so it is not redirected; its socket tells the reader that they are signed out.
        return Response(status_code=204)
    if is_htmx(request):
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    if request.state.installation is None:
        return RedirectResponse("/first-run", status_code=303)
    wanted = f"{request.url.path}?{request.url.query}".rstrip("?")
    if request.method != "GET" or wanted == "/":
        return RedirectResponse("/sign-in", status_code=303)
    return RedirectResponse(f"/sign-in?{urlencode({'next': wanted})}", status_code=303)


async def on_database_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DatabaseUnavailable)
    logger.warning("The database does not answer: %s", error)
    return error_page(request, 503, error.explanation)


async def on_store_error(request: Request, error: Exception) -> Response:
    logger.warning("The store of files: %s", error)
    if isinstance(error, StoreFull):
        return error_page(request, 507, DISK_FULL)
    return error_page(request, 503, STORE_AWAY)


async def on_error(request: Request, error: Exception) -> Response:
    """Answer an unexpected error."""
    return error_page(request, 500)


# Starlette's own type does not allow a typed request state.
HANDLERS: dict[Any, Any] = {
    NotFound: on_not_found,
    Forbidden: on_forbidden,
    InvalidInput: on_invalid_input,
    TooManyRequests: on_too_many_requests,
    SignInNeeded: on_sign_in_needed,
    ClientDisconnect: on_client_disconnect,
    HTTPException: on_http_exception,
    DatabaseUnavailable: on_database_error,
    StoreUnavailable: on_store_error,
    Exception: on_error,
}
