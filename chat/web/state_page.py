"""The administrators' page about the state of the chat: the figures of `/metrics` in words."""

from datetime import UTC, datetime

from starlette.responses import Response

from chat.files.store import obstacle
from chat.metrics.figures import Figures, sum_of
from chat.state import Request
from chat.web.middleware.session import administrator
from chat.web.pages import shell_page

STORE_SECONDS = 2.0


async def show_state(request: Request) -> Response:
    """Show the state of all processes, and every problem."""
    administrator(request)
    chat = request.state.chat
    here, elsewhere = chat.metrics.running(), chat.metrics.elsewhere()
    total = sum_of([*here, *elsewhere])
    context = {
        "total": total,
        "sockets": sum(figures.gauges.get(("open_sockets",), 0) for figures in [*here, *elsewhere]),
        "lag": await chat.metrics.search_lag(),
        "people": len(chat.live.presence.online()),
        "machines": len({figures.machine for figures in [*here, *elsewhere]}),
        "broker_name": chat.broker.name,
        "broker_trouble": chat.broker.trouble,
        "store_trouble": await obstacle(chat.uploading.store, STORE_SECONDS),
        "down": list(chat.failures),
        "processes": [(figures, _started(figures)) for figures in [*here, *elsewhere]],
    }
    return await shell_page(request, "accounts/state.html", context)


def _started(figures: Figures) -> datetime:
    return datetime.fromtimestamp(figures.started_at, UTC)
