"""Telling of a message that has changed: the room's readers, and who has changed it."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chat.crash import crash_point
from chat.ids import Revision
from chat.live.source import Changes
from chat.messages.message import Message
from chat.messages.rendering import as_change
from chat.templating import is_htmx, page


async def announce(request: Request, message: Message) -> None:
    """Tell the room's readers, on every process, of the change that `message` has just been through."""
    changes = Changes((as_change(message),), message.revision)
    epoch = request.state.installation.epoch
    await request.app.state.hub.publish(message.room_id, epoch, Revision(message.revision - 1), changes)
    crash_point("after_publish")


def changed(request: Request, message: Message) -> Response:
    """The answer to who has changed `message`."""
    if is_htmx(request):
        return page(request, "messages/_message.html", {"message": message})
    return RedirectResponse(f"/rooms/{message.room_id}/messages/{message.id}#m-{message.id}", status_code=303)
