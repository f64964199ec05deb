"""A room's files, by month."""

from starlette.responses import Response

from chat.database.engine import reading
from chat.files.room_files import Sort, files_in
from chat.rooms.room import room_of_member
from chat.state import Request
from chat.web.forms import whole_number
from chat.web.middleware.session import visitor
from chat.web.pages import shell_page
from chat.web.path import room_id_in

_SORTS: dict[str, Sort] = {"picture": "picture", "media": "media", "other": "other"}


async def list_files(request: Request) -> Response:
    me, sort = visitor(request), _SORTS.get(request.query_params.get("kind", ""))
    before = whole_number(request.query_params.get("before"))
    async with reading(request.state.chat.database) as connection:
        room = await room_of_member(connection, me, room_id_in(request))
        found = await files_in(connection, room.id, sort, before)
    return await shell_page(request, "rooms/files.html", {"room": room, "found": found, "kind": sort or ""})
