"""Direct conversations: choosing people, and opening the conversation with them."""

from starlette.responses import RedirectResponse, Response

from chat.accounts.directory import find_people, people_by_ids
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.ids import UserId
from chat.rooms.direct import direct_room
from chat.state import Request
from chat.throttling.rules import OPEN_DIRECT
from chat.web.errors import refused
from chat.web.forms import read_choices, whole_number
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import shell_page


async def show_new_direct(request: Request) -> Response:
    return await _new_direct_page(request, request.query_params.getlist("person"), {})


async def open_direct(request: Request) -> Response:
    me, chosen = visitor(request), await read_choices(request, "person")
    people = [UserId(whole_number(choice) or 0) for choice in chosen]
    try:
        if not people:
            raise InvalidInput(person="Choose at least one person.")
        await throttle(request, OPEN_DIRECT, "person")
        async with request.state.chat.change() as change:
            room_id = await direct_room(change, me.id, people)
    except InvalidInput as invalid:
        return refused(await _new_direct_page(request, chosen, invalid.errors), invalid)
    return RedirectResponse(f"/rooms/{room_id}", status_code=303)


async def _new_direct_page(request: Request, chosen: list[str], errors: dict[str, str]) -> Response:
    me, query = visitor(request), request.query_params.get("q", "")
    async with reading(request.state.chat.database) as connection:
        ticked = await people_by_ids(connection, [UserId(whole_number(choice) or 0) for choice in chosen])
        found = await find_people(connection, query)
    people = [person for person in dict.fromkeys([*ticked, *found]) if person.id != me.id]
    context = {"people": people, "values": {"person": chosen}, "errors": errors, "query": query}
    return await shell_page(request, "rooms/new_direct.html", context)
