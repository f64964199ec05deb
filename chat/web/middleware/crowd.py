"""Limits how many requests from one address are answered at the same time, for people who are not signed in.

Behind a proxy all connections come from its address, so only requests can be limited by the visitor's address
(serving/connections.py limits connections).
"""

from collections import Counter
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chat.addresses import network_of
from chat.state import Request
from chat.web.middleware.paths import FOR_PROGRAMS


class CrowdMiddleware:
    """Refuses a request without a session while `most` others from the same address are being answered.

    It comes after the session middleware, so that signed-in people pass. Health checks pass too: a load balancer would
    restart a process that refuses them.
    """

    def __init__(self, app: ASGIApp, most: int, refuse: Callable[[Request], Response]) -> None:
        self.app = app
        self._most = most
        self._refuse = refuse
        self._answering: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        passes = scope["type"] != "http" or scope["path"] in FOR_PROGRAMS or scope["state"]["visitor"] is not None
        if passes or not scope.get("client"):
            await self.app(scope, receive, send)
            return
        network = network_of(scope["client"][0])
        if self._answering[network] >= self._most:
            await self._refuse(Request(scope, receive))(scope, receive, send)
            return
        self._answering[network] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._answering[network] -= 1
            if not self._answering[network]:
                del self._answering[network]
