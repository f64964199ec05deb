"""Every request reaches the route that Starlette's own router finds for it."""

import re

import pytest
from starlette.routing import Match, Route, WebSocketRoute
from starlette.types import Scope

from chat.app import ROUTES, _lifespan
from chat.web.routing import IndexedRouter

ROUTER = IndexedRouter(ROUTES, _lifespan)
ODD = ["", "/", "//", "/rooms/", "/rooms//messages", "/rooms/x/messages", "/rooms/7/messages\n", "/static/js/live.js"]
PATHS = sorted(
    {
        re.sub(r"{\w+}", word, route.path_format)
        for route in ROUTES
        if isinstance(route, Route | WebSocketRoute)
        for word in ("7", "new", "members", "0", "99999999999999999999")
    }
)


def found_by_starlette(scope: Scope) -> object:
    return next((route for route in ROUTES if route.matches(scope)[0] is Match.FULL), None)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "websocket"])
def test_every_path_leads_where_it_leads_in_starlette(method: str) -> None:
    for path in PATHS + ODD:
        scope = {"type": "http", "method": method, "path": path, "headers": []}
        if method == "websocket":
            scope = {"type": "websocket", "path": path, "headers": []}
        candidates = ROUTER._candidates(path)
        first = next((route for route in candidates if route.matches(scope)[0] is Match.FULL), None)
        assert first in (found_by_starlette(scope), None), path
        # The spellings of people take the short way.
        assert path in ODD or first is found_by_starlette(scope), path
        assert len(candidates) <= 10
