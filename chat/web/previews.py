"""Previews of the links of messages."""

from starlette.responses import Response

from chat.database.engine import reading
from chat.files.kinds import is_inline
from chat.messages.message_links import preview_picture
from chat.messages.showing_links import remove_preview
from chat.messages.shown_links import LinkId, PreviewId
from chat.state import Request
from chat.throttling.rules import CHANGE
from chat.web.files import served
from chat.web.forms import read_form, whole_number
from chat.web.messages import revised
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.path import message_id_in


async def show_picture(request: Request) -> Response:
    """Send the picture of a preview, to members of the room of its message."""
    me, preview_id = visitor(request), PreviewId(request.path_params["preview_id"])
    async with reading(request.state.chat.database) as connection:
        picture = await preview_picture(connection, me, message_id_in(request), preview_id)
    return await served(request, picture, is_download=not is_inline(picture.kind))


async def remove_previews(request: Request) -> Response:
    """Remove the preview of one link of a message, or of all its links."""
    me, form = visitor(request), await read_form(request)
    await throttle(request, CHANGE)
    number = whole_number(form.get("link"))
    async with request.state.chat.change() as change:
        message = await remove_preview(change, me, message_id_in(request), None if number is None else LinkId(number))
    return revised(request, message)
