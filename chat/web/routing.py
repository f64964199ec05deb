"""Finds the route of a request without trying a hundred in turn."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match, Route, Router, WebSocketRoute
from starlette.types import Lifespan, Receive, Scope, Send

_ANY = ""  # a last part that a route takes from the path
_Shape = tuple[int, str, str]  # the number of a path's parts, and the first and the last of them


class IndexedRouter(Router):
    """Starlette's router, which first tries the few routes that have the shape of the path, in their order.

    What none of them answers takes Starlette's own way: a 404, a 405, and a path in an unusual spelling.
    """

    def __init__(self, routes: Sequence[BaseRoute], lifespan: Lifespan[Starlette]) -> None:
        super().__init__(routes, redirect_slashes=False, lifespan=lifespan)
        shapes = {shape for route in routes if (shape := _shape_of(route)) is not None}
        self._with_shape: dict[_Shape, list[BaseRoute]] = {
            shape: [route for route in routes if _may_have(route, shape)] for shape in shapes
        }

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            for route in self._candidates(scope["path"]):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found, router=self, route=route)
                    await route.handle(scope, receive, send)
                    return
        await super().app(scope, receive, send)

    def _candidates(self, path: str) -> Sequence[BaseRoute]:
        shape = _shape(path)
        return self._with_shape.get(shape, self._with_shape.get((*shape[:2], _ANY), []))


def _shape(path: str) -> _Shape:
    return path.count("/"), path.partition("/")[2].partition("/")[0], path.rpartition("/")[2]


def _shape_of(route: BaseRoute) -> _Shape | None:
    """Return the shape of a route's paths; None if they have several."""
    if not isinstance(route, Route | WebSocketRoute):
        return None
    count, first, last = _shape(route.path)
    return None if "{" in first else (count, first, _ANY if "{" in last else last)


def _may_have(route: BaseRoute, shape: _Shape) -> bool:
    own = _shape_of(route)
    return own is None or own in (shape, (*shape[:2], _ANY))
