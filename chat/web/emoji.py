"""The emoji picker: categories, search, skin tone, and the recently used."""

from functools import cache

from starlette.responses import RedirectResponse, Response

from chat.database.engine import reading
from chat.messages.emoji import TONES, categories, find_emoji
from chat.messages.recent_emoji import often_used, recent_emoji, remember_emoji
from chat.messages.skin_tone import choose_skin_tone
from chat.state import Request
from chat.templating import fragment
from chat.throttling.rules import CHANGE, PROFILE
from chat.web.forms import read_form, whole_number
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import is_htmx, page

MOST_EMOJI = 64


async def show_emoji(request: Request) -> Response:
    """Show the picker of the composer, or the emoji whose name matches."""
    me = visitor(request)
    if "q" not in request.query_params:
        return page(request, "messages/_pick.html", await picker(request))
    return page(request, "messages/_emoji.html", {"tone": me.skin_tone, "by_arrows": True, **found(request)})


async def list_all_emoji(request: Request) -> Response:
    """List all categories, in the skin tone that the address names. Browsers keep the list."""
    visitor(request)
    tone = min(whole_number(request.query_params.get("tone")) or 0, len(TONES) - 1)
    return Response(_all_in(tone), media_type="text/html", headers={"Cache-Control": "private, max-age=86400"})


@cache
def _all_in(tone: int) -> str:
    return fragment("messages/_categories.html", categories=categories(), tone=tone, by_arrows=True)


async def remember_picked_emoji(request: Request) -> Response:
    """Remember an emoji that the visitor put into a message, and show the picker anew."""
    me, form = visitor(request), await read_form(request)
    await throttle(request, CHANGE)
    async with request.state.chat.change() as change:
        await remember_emoji(change.connection, me.id, form.get("emoji", ""))
    return page(request, "messages/_picker.html", await picker(request))


async def choose_my_skin_tone(request: Request) -> Response:
    """Choose the skin tone of all emoji, and show the picker again, without JavaScript that of a message."""
    me, form = visitor(request), await read_form(request)
    await throttle(request, PROFILE)
    async with request.state.chat.change() as change:
        tone = await choose_skin_tone(change, me.id, form.get("tone", ""))
    if is_htmx(request):
        return page(request, "messages/_picker.html", await picker(request) | {"tone": tone})
    message_id = whole_number(form.get("message"))
    return RedirectResponse(f"/messages/{message_id}/reactions" if message_id else "/", status_code=303)


async def picker(request: Request) -> dict[str, object]:
    """Return the values for the picker's templates."""
    me = visitor(request)
    async with reading(request.state.chat.database) as connection:
        recent = await recent_emoji(connection, me.id)
    return {
        "recent": recent or often_used(),
        "has_recent": bool(recent),
        "categories": categories(),
        "tones": TONES,
        "tone": me.skin_tone,
        "by_arrows": True,
        "query": "",
    }


def found(request: Request) -> dict[str, object]:
    """Return the emoji whose name matches the request's search."""
    query = request.query_params.get("q", "").strip()
    return {"query": query, "emoji": find_emoji(query, MOST_EMOJI) if query else []}
