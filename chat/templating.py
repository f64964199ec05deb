"""Jinja2: the templates, and rendering them to fragments.

What is the same in each page is done once, when a template is compiled: a partial becomes a part of the template that
includes it, and so does what our functions return for constants, as in `icon("pin")`. A room's page has thirty of them.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache, lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, nodes
from jinja2.runtime import Macro
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from chat.installed import ROOT
from chat.static_files import static_url
from chat.times import clock, day, in_zone, iso

KEPT_BYLINES = 1000  # of half a kilobyte each
_MARK = "<!kept "  # autoescape leaves no "<" in anything else


class InliningEnvironment(Environment):
    """An environment that compiles a template together with its partials. Their errors name the whole template."""

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        return super()._generate(_Inlining(self).visit(source), name, filename, defer_init)


class _Inlining(NodeTransformer):
    """Replaces what does not depend on the names that a template is given."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def visit_Include(self, node: nodes.Include) -> nodes.Node:  # noqa: N802  as Jinja calls it
        assert self._environment.loader is not None
        assert isinstance(node.template, nodes.Const)
        source, filename, _ = self._environment.loader.get_source(self._environment, node.template.value)
        partial = self.visit(self._environment.parse(source, node.template.value, filename))
        # What a partial sets is not seen outside it.
        return nodes.Scope(partial.body, lineno=node.lineno).set_environment(self._environment)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802  as Jinja calls it
        function = _PURE.get(node.node.name) if isinstance(node.node, nodes.Name) else None
        if function is None or not all(isinstance(argument, nodes.Const) for argument in node.args):
            return self.generic_visit(node)
        known = function(*(argument.as_const() for argument in node.args))
        constant = nodes.Const(str(known), lineno=node.lineno)
        made = nodes.MarkSafe(constant, lineno=node.lineno) if isinstance(known, Markup) else constant
        return made.set_environment(self._environment)


def _environment() -> Environment:
    environment = InliningEnvironment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(_PURE, byline=_byline)
    environment.filters.update(day=day, clock=clock, in_zone=in_zone, iso=iso)
    return environment


def _macros(template: str) -> dict[str, Macro]:
    """Return the macros of a template, as globals: importing them would cost a room's page as much as its header."""
    module = environment.get_template(template).module
    return {name: macro for name, macro in vars(module).items() if isinstance(macro, Macro)}


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


# What these return depends on their arguments and our own files alone.
_PURE: dict[str, Callable[..., str]] = {
    "static": static_url,
    "icon": _icon,
    "assets": _assets,
    "version_of": version_of,
}

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


class Encoded:
    """Markup of a part of pages, kept as the bytes that are sent."""

    __slots__ = ("utf8",)

    def __init__(self, markup: str) -> None:
        self.utf8 = markup.encode()

    def __html__(self) -> str:
        return self.utf8.decode()


def encoded(template: str, context: Mapping[str, object]) -> bytes:
    """Render a template to UTF-8. The parts that are `Encoded` already are put in as they are.

    With an emoji in it, a page has four bytes for each character until it is encoded.
    """
    kept = {name: value for name, value in context.items() if isinstance(value, Encoded)}
    marks = {name: Markup(f"{_MARK}{name}>") for name in kept}  # noqa: S704  no text of a person
    first, *others = rendered(template, {**context, **marks}).split(_MARK)
    parts = [first.encode()]
    for other in others:
        name, _, rest = other.partition(">")
        parts += kept[name].utf8, rest.encode()
    return b"".join(parts)


@cache
def _template(name: str) -> Template:
    return environment.get_template(name)


environment.globals.update(_macros("_icons.html"))
