"""The pictures of people and rooms: showing, changing and removing them."""

import re
from collections.abc import AsyncGenerator

from starlette.responses import RedirectResponse, Response

from chat import audit
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.files.faces import Owner, change_face, change_room_picture, picture_of, require_decorator
from chat.files.names import shown_size
from chat.files.pictures import Square
from chat.files.prepared import Crop, Shape
from chat.ids import UserId
from chat.rooms.room import visible_room
from chat.state import Request
from chat.throttling.rules import PICTURE
from chat.web.errors import DISK_FULL, refused
from chat.web.files import served
from chat.web.forms import MOST_PICTURE_BYTES, ReceivedFile, form_with_files, read_files
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.path import room_id_in, room_in, user_id_in
from chat.web.profile import profile_page
from chat.web.room_settings import settings_page

CHUNK_BYTES = 64 * 1024
# Another picture has another address.
FOR_A_YEAR = "max-age=31536000, immutable"
_PIXELS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{0,20})?")


async def show_face(request: Request) -> Response:
    visitor(request)
    return await send_picture(request, "person", user_id_in(request))


async def show_room_picture(request: Request) -> Response:
    """Send the picture of a room that the visitor may see."""
    async with reading(request.state.chat.database) as connection:
        room = await visible_room(connection, visitor(request), room_id_in(request))
    return await send_picture(request, "room", room.id)


async def change_my_face(request: Request) -> Response:
    me = visitor(request)
    try:
        picture = await received_picture(request, "face")
    except InvalidInput as invalid:
        return refused(await profile_page(request, errors=invalid.errors), invalid)
    return await _keep_face(request, me.id, picture)


async def remove_my_face(request: Request) -> Response:
    me = visitor(request)
    await throttle(request, PICTURE)
    return await _keep_face(request, me.id, None)


async def change_picture_of_room(request: Request) -> Response:
    me, room = visitor(request), await room_in(request)
    require_decorator(me, room)
    try:
        picture = await received_picture(request, "face")
    except InvalidInput as invalid:
        return refused(await settings_page(request, room, errors=invalid.errors), invalid)
    async with request.state.chat.change() as change:
        await change_room_picture(change, me, room, picture)
    audit.record("picture_changed", room_id=room.id)
    return RedirectResponse(f"/rooms/{room.id}/settings", status_code=303)


async def remove_picture_of_room(request: Request) -> Response:
    me, room = visitor(request), await room_in(request)
    await throttle(request, PICTURE)
    async with request.state.chat.change() as change:
        await change_room_picture(change, me, room, None)
    audit.record("picture_changed", room_id=room.id)
    return RedirectResponse(f"/rooms/{room.id}/settings", status_code=303)


async def send_picture(request: Request, owner: Owner, owner_id: int, *, is_public: bool = False) -> Response:
    """Send the picture whose version and side are in the path."""
    version, side = request.path_params["version"], request.path_params["side"]
    async with reading(request.state.chat.database) as connection:
        file = await picture_of(connection, owner, owner_id, version, side)
    response = await served(request, file, is_download=False)
    response.headers["Cache-Control"] = f"{'public' if is_public else 'private'}, {FOR_A_YEAR}"
    return response


async def received_picture(request: Request, shape: Shape) -> Square:
    """Receive the picture of a form and put it into the store; raises `InvalidInput` for `picture`."""
    await throttle(request, PICTURE, "picture")
    async with form_with_files(request, MOST_PICTURE_BYTES, 1) as form:
        files = await read_files(request)
        if not files:
            raise InvalidInput(picture="Choose a picture.")
        if files[0].is_lost:
            raise InvalidInput(picture=DISK_FULL)
        if (files[0].size or 0) > MOST_PICTURE_BYTES:
            raise InvalidInput(picture=f"This picture is too large. It may have {shown_size(MOST_PICTURE_BYTES)}.")
        return await request.state.chat.uploading.square(visitor(request), _content(files[0]), shape, _crop(form))


def _crop(form: dict[str, str]) -> Crop | None:
    """Return the square that the form chooses; None for the middle, as browsers without scripts ask."""
    chosen = [form.get(name, "") for name in ("left", "top", "side")]
    if not all(_PIXELS.fullmatch(each) for each in chosen):
        return None
    left, top, side = (round(float(each)) for each in chosen)
    return Crop(left, top, side)


async def _content(file: ReceivedFile) -> AsyncGenerator[bytes, None]:
    await file.seek(0)
    while chunk := await file.read(CHUNK_BYTES):
        yield chunk


async def _keep_face(request: Request, user_id: UserId, picture: Square | None) -> Response:
    async with request.state.chat.change() as change:
        await change_face(change, user_id, picture)
    audit.record("picture_changed")
    return RedirectResponse("/profile?saved=face", status_code=303)
