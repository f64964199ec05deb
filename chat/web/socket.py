"""The websocket endpoint: checks a page's access, then hands it to the live engine."""

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnect

from chat import audit
from chat.accounts.person import Visitor
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
from chat.web.middleware.session import is_page_of


async def connect_page(websocket: WebSocket) -> None:
    """Serve a page's socket.

    To keep htmx from retrying, a socket is accepted first and then closed with a code above 4000: a refused handshake
    looks like a network failure to htmx. Only a wrong `Origin`, which no page of ours has, is refused outright.
    """
    public_url, visitor = websocket.state.chat.settings.public_url, websocket.state.visitor
    if not has_own_origin(websocket, public_url):
        audit.record("cross_site_refused", method="WEBSOCKET", path=loggable_path(websocket.scope))
        explain_refusal(websocket, public_url)
        await websocket.close()
    elif websocket.state.chat.departure.under_way:
        await _refuse(websocket, "this process is shutting down")
    elif visitor is None or not is_page_of(visitor, websocket.query_params.get("me")):
        await _accept_and_close(websocket, SIGNED_OUT, fragment("live/_signed_out.html"))
    else:
        await _connect(websocket, visitor)


async def _connect(websocket: WebSocket, visitor: Visitor) -> None:
    room_id = RoomId(websocket.path_params["room_id"]) if "room_id" in websocket.path_params else None
    try:
        may_follow = room_id is None or await websocket.state.chat.seats.has(visitor.id, room_id)
    except DatabaseUnavailable:
        await _refuse(websocket, "the database does not answer")
        return
    if not may_follow:
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


async def _refuse(websocket: WebSocket, reason: str) -> None:
    """Refuse the handshake; the page tries again."""
    await websocket.send_denial_response(PlainTextResponse(reason, status_code=503))


async def _accept_and_close(websocket: WebSocket, code: int, html: str) -> None:
    await websocket.accept()
    await websocket.send_text(html)
    await websocket.close(code)
