"""The people of the chat: the list of them, and a page for each."""

from datetime import UTC, datetime

from starlette.responses import Response

from chat.accounts.directory import find_people, person_by_id, time_zone_of
from chat.database.engine import reading
from chat.state import Request
from chat.throttling.rules import FIND
from chat.times import in_zone
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import page, shell_page
from chat.web.path import user_id_in


async def list_people(request: Request) -> Response:
    visitor(request)
    await throttle(request, FIND)
    query = request.query_params.get("q", "")
    async with reading(request.state.chat.database) as connection:
        people = await find_people(connection, query)
    return await shell_page(request, "rooms/people.html", {"people": people, "query": query})


async def show_person(request: Request) -> Response:
    return await shell_page(request, "rooms/person.html", await _person(request))


async def show_card(request: Request) -> Response:
    """Show a person's card, which opens over a room."""
    known = {"presence_of": request.state.chat.live.presence.state_of}
    return page(request, "rooms/_card.html", known | await _person(request))


async def _person(request: Request) -> dict[str, object]:
    visitor(request)
    async with reading(request.state.chat.database) as connection:
        person = await person_by_id(connection, user_id_in(request))
        zone = await time_zone_of(connection, person.id)
    return {"person": person, "there": in_zone(datetime.now(UTC), zone) if zone else None}
