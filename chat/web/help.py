"""The help page: Markdown, commands and keys."""

from starlette.responses import Response

from chat.messages.commands import COMMANDS
from chat.messages.help import examples
from chat.state import Request
from chat.web.middleware.session import visitor
from chat.web.pages import page, shell_page


async def show_help(request: Request) -> Response:
    return await shell_page(request, "messages/help.html", {"commands": COMMANDS, "examples": examples()})


async def show_keys(request: Request) -> Response:
    visitor(request)
    return page(request, "messages/keys.html", {})
