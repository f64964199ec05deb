"""The search page."""

from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.ids import MessageId
from chat.search.find import WEIGHED, Order, Part, ResultPage, check_names, find
from chat.search.query import parse_search
from chat.search.recent import forget, recent_searches, remember
from chat.state import Request
from chat.text import single_line
from chat.throttling.rules import SEARCH
from chat.times import in_zone
from chat.web.errors import refused
from chat.web.forms import read_form, whole_number
from chat.web.middleware.session import visitor, zone_of
from chat.web.middleware.throttling import throttle
from chat.web.pages import shell_page


async def show_search(request: Request) -> Response:
    visitor(request)
    query = single_line(request.query_params.get("q", ""))
    order: Order = "newest" if request.query_params.get("order") == "newest" else "best"
    number = min(whole_number(request.query_params.get("page")) or 1, WEIGHED)
    before = whole_number(request.query_params.get("before"))
    found, refusal = None, None
    try:
        found = await _found(request, query, Part(order, number, MessageId(before) if before else None))
    except InvalidInput as invalid:
        refusal = invalid
    context = {
        "query": query,
        "within": "" if query else single_line(request.query_params.get("within", "")),
        "order": order,
        "page": number,
        "before": before,
        "found": found,
        "error": refusal.errors["q"] if refusal else "",
        "recent": [] if found else await _recent(request),
        "weighed": WEIGHED,
    }
    answer = await shell_page(request, "search/search.html", context)
    return refused(answer, refusal) if refusal else answer


async def _found(request: Request, query: str, part: Part) -> ResultPage | None:
    if not query:
        return None
    await throttle(request, SEARCH, "q")
    question = parse_search(query, in_zone(datetime.now(UTC), zone_of(request)))
    return await find(request.state.chat.database, visitor(request), question, part)


async def _recent(request: Request) -> list[str]:
    async with reading(request.state.chat.database) as connection:
        return await recent_searches(connection, visitor(request).id)


async def remember_search(request: Request) -> Response:
    """Remember a search, and redirect to its results. The results page is a GET, so it changes nothing itself."""
    me, form = visitor(request), await read_form(request)
    within, order = single_line(form.get("within", "")), form.get("order", "")
    query = single_line(form.get("q", ""))
    if within and not query:
        return RedirectResponse(f"/search?{urlencode({'within': within})}", status_code=303)
    query = f"{within} {query}".strip()
    with suppress(InvalidInput):  # the results page explains it
        question = parse_search(query, datetime.now(UTC))
        async with request.state.chat.change() as change:
            await check_names(change.connection, me, question)
            await remember(change.connection, me.id, query)
    shown = {"q": query} | ({"order": order} if order == "newest" else {})
    return RedirectResponse(f"/search?{urlencode(shown)}", status_code=303)


async def forget_searches(request: Request) -> Response:
    me = visitor(request)
    async with request.state.chat.change() as change:
        await forget(change.connection, me.id)
    return RedirectResponse("/search", status_code=303)
