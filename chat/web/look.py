"""The logo and the colour of the chat: showing and choosing them."""

from starlette.responses import RedirectResponse, Response

from chat import audit
from chat.accounts.installation import choose_accent
from chat.errors import InvalidInput
from chat.files.faces import THE_CHAT, change_logo
from chat.files.pictures import Square
from chat.state import Request
from chat.throttling.rules import PICTURE
from chat.web.admin import admin_page
from chat.web.errors import refused
from chat.web.faces import received_picture, send_picture
from chat.web.forms import read_form
from chat.web.middleware.session import administrator
from chat.web.middleware.throttling import throttle
from chat.web.pages import accent_style


async def show_accent(request: Request) -> Response:
    """Return the chat's colour as a style sheet, for the pages before signing in."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(accent_style(request), media_type="text/css", headers=headers)


async def show_logo(request: Request) -> Response:
    return await send_picture(request, "chat", THE_CHAT, is_public=True)


async def change_accent(request: Request) -> Response:
    administrator(request)
    form = await read_form(request)
    try:
        await throttle(request, PICTURE, "accent")
        async with request.state.chat.change() as change:
            await choose_accent(change, form.get("accent", ""))
    except InvalidInput as invalid:
        return refused(await admin_page(request, form, invalid.errors), invalid)
    return _changed()


async def change_the_logo(request: Request) -> Response:
    administrator(request)
    try:
        picture = await received_picture(request, "logo")
    except InvalidInput as invalid:
        return refused(await admin_page(request, errors=invalid.errors), invalid)
    return await _keep_logo(request, picture)


async def remove_logo(request: Request) -> Response:
    administrator(request)
    await throttle(request, PICTURE)
    return await _keep_logo(request, None)


async def _keep_logo(request: Request, picture: Square | None) -> Response:
    async with request.state.chat.change() as change:
        await change_logo(change, picture)
    return _changed()


def _changed() -> Response:
    audit.record("look_changed")
    return RedirectResponse("/admin?saved=look", status_code=303)
