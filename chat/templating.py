"""Jinja2: pages for people, partials for htmx, fragments for the live engine."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from chat.times import clock, day, in_zone
from chat.web.static import static_url

ROOT = Path(__file__).resolve().parent.parent


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(static=static_url, icon=_icon, assets=_assets, version_of=version_of)
    environment.filters.update(day=day, clock=clock, in_zone=in_zone, iso=datetime.isoformat)
    return environment


@cache
def version_of(template: str) -> str:
    """Return a digest of a template's text, for the address of what browsers keep of it."""
    return hashlib.sha256((ROOT / "templates" / template).read_bytes()).hexdigest()[:12]


@cache
def _icon(name: str) -> Markup:
    return Markup(fragment("_icon.html", name=name))  # noqa: S704  rendered, escaped


@cache
def _assets() -> Markup:
    return Markup(fragment("_assets.html"))  # noqa: S704  rendered, escaped


_templates = _environment()


def fragment(template: str, **context: object) -> str:
    """Markup that is the same for every reader."""
    return _templates.get_template(template).render(context)


def page(
    request: Request,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """A page or partial for the visitor of a request."""
    everywhere = {
        "visitor": request.state.visitor,
        "installation_name": request.state.installation_name,
        "path": request.url.path,
    }
    html = _templates.get_template(template).render(everywhere | dict(context or {}))
    return HTMLResponse(html, status_code, headers={"Cache-Control": "no-store", **(headers or {})})


def is_htmx(request: Request) -> bool:
    """Whether htmx asks, and so wants a partial."""
    return request.headers.get("HX-Request") == "true"
