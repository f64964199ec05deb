"""From what a person typed to safe markup: CommonMark without what a chat has no use for, made once when it is written.

Two walls stand between a text and the page: markdown-it writes markup for what it knows and escapes the rest, and nh3
lets through only the elements, attributes and classes listed here. Nothing that htmx or a style sheet listens to can be
typed.
"""

import re
from collections.abc import Sequence
from functools import cache

import anyio.to_thread
import nh3
from linkify_it import LinkifyIt
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from chat.messages.emoji import with_emoji
from chat.messages.highlighting import CLASSES, highlighted

ELEMENTS = {"p", "br", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "span"}
SHORT = 1000  # characters
LINK_SCHEMES = {"http", "https", "mailto"}

_ADDRESS = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_PERMALINK = re.compile(r"/rooms/\d+/messages/\d+(?:#m-\d+)?")
_ACTION = "/me "
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def rendered(body: str) -> Markup:
    """The markup of a message's text."""
    if body.startswith(_ACTION):
        return Markup('<div class="me">{}</div>').format(_clean(body.removeprefix(_ACTION)))
    return _clean(body)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _PUNCTUATION.sub(r"\\\1", text)


async def rendered_aside(body: str) -> Markup:
    """The same; a long text, which can take a tenth of a second, beside the loop that everybody else waits for."""
    return rendered(body) if len(body) < SHORT else await anyio.to_thread.run_sync(rendered, body)


def _clean(body: str) -> Markup:
    markup = nh3.clean(
        _markdown().render(body),
        tags=ELEMENTS,
        attributes={"a": {"href"}, "ol": {"start"}},
        allowed_classes={"span": CLASSES},
        tag_attribute_values={"a": {"target": {"_blank"}}},
        url_schemes=LINK_SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(markup.rstrip("\n"))  # noqa: S704  sanitised


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802  overridden
        return bool(_ADDRESS.match(url) or _PERMALINK.fullmatch(url))


@cache
def _markdown() -> MarkdownIt:
    markdown = _Markdown("commonmark", {"html": False, "breaks": True, "linkify": True, "highlight": highlighted})
    markdown.enable(["strikethrough", "linkify"])
    # A line that begins with a # or ends with --- is a line; what is indented is no program; pictures are files.
    markdown.disable(["heading", "lheading", "hr", "image", "reference", "code", "html_block", "html_inline"])
    # Only what says that it is an address is one: "notes.md" and "so.then" are not.
    markdown.linkify = LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False})
    markdown.core.ruler.push("emoji", _emoji)
    markdown.add_render_rule("link_open", _link_open)
    return markdown


def _emoji(state: StateCore) -> None:
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "text":
                child.content = with_emoji(child.content)


def _link_open(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: OptionsDict, env: EnvType) -> str:
    """Other people's pages open beside the chat, its own in place."""
    if str(tokens[place].attrGet("href")).startswith("/"):
        return renderer.renderToken(tokens, place, options, env)
    tokens[place].attrSet("target", "_blank")
    return renderer.renderToken(tokens, place, options, env)
