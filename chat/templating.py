"""Jinja2: the templates, and rendering them to fragments."""

import hashlib
from collections.abc import Mapping
from functools import cache, lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from jinja2.runtime import Macro
from markupsafe import Markup

from chat.installed import ROOT
from chat.static_files import static_url
from chat.times import clock, day, in_zone, iso

KEPT_BYLINES = 1000  # of half a kilobyte each


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(static=static_url, icon=_icon, assets=_assets, byline=_byline, version_of=version_of)
    # Importing them in each template would cost a room's page as much as its whole header.
    environment.globals.update(
        {
            name: macro
            for name, macro in vars(environment.get_template("_icons.html").module).items()
            if isinstance(macro, Macro)
        }
    )
    environment.filters.update(day=day, clock=clock, in_zone=in_zone, iso=iso)
    return environment


@cache
def version_of(template: str) -> str:
    """Return a digest of a template's text, for the address under which browsers cache its output."""
    return hashlib.sha256((ROOT / "templates" / template).read_bytes()).hexdigest()[:12]


@cache
def _icon(name: str) -> Markup:
    return Markup(fragment("_icon.html", name=name))  # noqa: S704  rendered, escaped


@lru_cache(KEPT_BYLINES)
def _byline(author: object) -> Markup:
    return Markup(fragment("messages/_byline.html", author=author))  # noqa: S704  rendered, escaped


@cache
def _assets() -> Markup:
    return Markup(fragment("_assets.html"))  # noqa: S704  rendered, escaped


environment = _environment()


def fragment(template: str, **context: object) -> str:
    """Render markup that is the same for every reader."""
    return rendered(template, context)


def rendered(template: str, context: Mapping[str, object]) -> str:
    """Render a template.

    This is Jinja's `Template.render`, which copies the globals entry by entry, in Python: for a message, a fifth of
    the time.
    """
    found = _template(template)
    try:
        return environment.concat(found.root_render_func(found.new_context({**environment.globals, **context}, True)))
    except Exception:
        environment.handle_exception()


@cache
def _template(name: str) -> Template:
    return environment.get_template(name)
