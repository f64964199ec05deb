"""The page of help: Markdown, commands and keys."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat.messages.commands import COMMANDS
from chat.messages.help import examples
from chat.templating import page
from chat.web.middleware.session import visitor
from chat.web.shell import shell_page


async def show_help(request: Request) -> Response:
    return await shell_page(request, "messages/help.html", {"commands": COMMANDS, "examples": examples()})


async def show_keys(request: Request) -> Response:
    visitor(request)
    return page(request, "messages/keys.html", {})


routes = [Route("/help", show_help), Route("/help/keys", show_keys)]
