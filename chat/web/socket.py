"""The websocket endpoint: checks a page's access, then hands it to the live engine."""

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnect

from chat import audit
from chat.errors import DatabaseUnavailable
from chat.ids import Revision, RoomId
from chat.live.open_pages import NOT_FOUND, SIGNED_OUT
from chat.live.reader import Reader
from chat.live.socket import TRY_AGAIN_LATER
from chat.live.source import SourceUnavailable
from chat.state import WebSocket
from chat.templating import fragment
from chat.web.forms import whole_number
from chat.web.middleware.origin import explain_refusal, has_own_origin
from chat.web.middleware.requests import loggable_path


async def connect_page(websocket: WebSocket) -> None:
    """Serve a page's socket.

    To keep htmx from retrying, a socket is accepted first and then closed with a code above 4000: a refused handshake
    looks like a network failure to htmx. Only a wrong `Origin`, which no page of ours has, is refused outright.
    """
    if not has_own_origin(websocket, websocket.state.chat.settings.public_url):
        audit.record("cross_site_refused", method="WEBSOCKET", path=loggable_path(websocket.scope))
        explain_refusal(websocket, websocket.state.chat.settings.public_url)
        await websocket.close()
        return
    if websocket.state.chat.departure.under_way:
        await websocket.send_denial_response(PlainTextResponse("this process is shutting down", status_code=503))
        return
    visitor = websocket.state.visitor
    if visitor is None:
        await _accept_and_close(websocket, SIGNED_OUT, fragment("live/_signed_out.html"))
        return
    room_id = RoomId(websocket.path_params["room_id"]) if "room_id" in websocket.path_params else None
    if room_id is not None:
        try:
            is_member = await websocket.state.chat.seats.has(visitor.id, room_id)
        except DatabaseUnavailable:
            await websocket.send_denial_response(PlainTextResponse("the database does not answer", status_code=503))
            return
        if not is_member:
            await _accept_and_close(websocket, NOT_FOUND, fragment("live/_gone.html"))
            return
    reader = Reader(visitor.session_id, visitor.id, room_id)
    after = Revision(whole_number(websocket.query_params.get("after")) or 0)
    try:
        await websocket.state.chat.live.socket.serve(websocket, reader, after, websocket.query_params.get("epoch", ""))
    except SourceUnavailable:
        await websocket.close(TRY_AGAIN_LATER)
    except (OSError, WebSocketDisconnect):
        # The page has disconnected.
        return


async def _accept_and_close(websocket: WebSocket, code: int, html: str) -> None:
    await websocket.accept()
    await websocket.send_text(html)
    await websocket.close(code)
