"""Markdown to safe markup: CommonMark without the parts a chat has no use for, rendered once when it is posted.

Two walls stand between a text and the page. markdown-it writes markup for the syntax it knows and escapes the rest.
nh3 lets through only the elements, attributes and classes listed here, so nobody can type an attribute of htmx or a
class of the style sheets.
"""

import html
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import nh3
from linkify_it import LinkifyIt
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

from chat.ids import UserId
from chat.messages.emoji import with_emoji
from chat.messages.highlighting import CLASSES, has_colours
from chat.messages.mentionable import EVERYBODY, Mentionable

ELEMENTS = {"p", "br", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "span"}
SHORT = 1000  # characters
MOST_SYNTAX = 150
MARKUP_PER_BYTE, MARKUP_ALLOWANCE = 4, 4000
LINK_SCHEMES = {"http", "https", "mailto"}

_ADDRESS = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_PERMALINK = re.compile(r"/rooms/\d+/messages/\d+(?:#m-\d+)?")
_ACTION = "/me "
_SYNTAX = "*_`~[]()!<>&:@|-+#=.\\\n"
_REFERENCE = re.compile(r"&(?=[0-9A-Za-z#])")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


@dataclass(frozen=True, slots=True)
class Written:
    """A text as it is shown, and the people it mentions."""

    html: Markup
    mentioned: frozenset[UserId] = frozenset()
    mentions_room: bool = False


NOBODY = Mentionable()
Colours = Callable[[str, str, str], str]  # the markup of code in a language, or "" if the language is unknown


def written(body: str, mentionable: Mentionable = NOBODY, colours: Colours | None = None) -> Written:
    """Render a text as markup; mentioned names link to their people.

    Markup many times larger than its text loses its colours first, and then all formatting. Only texts that are
    `is_brief` are quick; `chat.messages.workshop` renders all others.
    """
    made = _written(body, mentionable, colours)
    if colours and _is_too_large(made, body):
        made = _written(body, mentionable, None)
    return replace(made, html=as_typed(body)) if _is_too_large(made, body) else made


def is_brief(body: str) -> bool:
    """Tell whether a text is short and harmless, so that it is rendered within a few milliseconds."""
    return len(body) < SHORT and sum(map(body.count, _SYNTAX)) < MOST_SYNTAX and not has_colours(body)


def as_typed(body: str) -> Markup:
    """Render a text without any formatting, at most four bytes for each character: the fallback."""
    # An & is a character reference only before a letter, a digit or a # (HTML, 13.2.5.72).
    text = _REFERENCE.sub("&amp;", body).replace("<", "&lt;")
    return Markup(f'<p class="typed">{text}</p>')  # noqa: S704  escaped


def _is_too_large(made: Written, body: str) -> bool:
    return len(made.html.encode()) > MARKUP_PER_BYTE * len(body.encode()) + MARKUP_ALLOWANCE


def _written(body: str, mentionable: Mentionable, colours: Colours | None) -> Written:
    env: dict[str, Any] = {"mentionable": mentionable, "named": set()}
    is_action = body.startswith(_ACTION)
    markdown = _markdown()
    markdown.options["highlight"] = colours
    markup = nh3.clean(
        markdown.render(body.removeprefix(_ACTION), env),
        tags=ELEMENTS,
        attributes={"a": {"href"}, "ol": {"start"}},
        allowed_classes={"span": CLASSES | {"mention"}, "a": {"mention"}},
        tag_attribute_values={"a": {"target": {"_blank"}}},
        url_schemes=LINK_SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    safe = Markup(markup.rstrip("\n"))  # noqa: S704  sanitised
    if is_action:
        safe = Markup('<div class="me">{}</div>').format(safe)
    people = (person.id for name in env["named"] for person in mentionable.named(name))
    return Written(safe, frozenset(people), EVERYBODY in env["named"])


def plain(markup: str, without: Collection[str] = ()) -> str:
    """Return the text of a message's markup in one line, without the elements named in `without`."""
    words = nh3.clean(markup, tags=set(), attributes={}, clean_content_tags=set(without))
    return " ".join(html.unescape(words).split())


def escaped(text: str) -> str:
    """Return a text escaped, so that Markdown shows it as it is."""
    return _PUNCTUATION.sub(r"\\\1", text)


def unescaped(text: str) -> str:
    """Return a text without Markdown's backslash escapes."""
    return _ESCAPED.sub(r"\1", text)


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802  overridden
        return bool(_ADDRESS.match(url) or _PERMALINK.fullmatch(url))


@cache
def _markdown() -> MarkdownIt:
    markdown = _Markdown("commonmark", {"html": False, "breaks": True, "linkify": True})
    markdown.enable(["strikethrough", "linkify"])
    # No headings, no code by indentation, no pictures.
    markdown.disable(["heading", "lheading", "hr", "image", "reference", "code", "html_block", "html_inline"])
    # Only addresses with a scheme become links: "notes.md" and "so.then" do not.
    markdown.linkify = LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False})
    markdown.block.ruler.before("paragraph", "answer", _ends_quote, {"alt": ["blockquote"]})
    markdown.core.ruler.push("links", _links)
    markdown.core.ruler.push("emoji", _emoji)
    markdown.core.ruler.push("mentions", _mentions)
    markdown.add_render_rule("link_open", _link_open)
    return markdown


def _ends_quote(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """End a quote at the first line without a >, where CommonMark would let it continue.

    markdown-it calls this for such lines only, to ask whether another block begins there.
    """
    return silent


def _links(state: StateCore) -> None:
    for token in state.tokens:
        if token.children:
            token.children = list(_with_links_to_see(token.children))


def _with_links_to_see(children: Sequence[Token]) -> Iterator[Token]:
    """Show links without an address as they were typed, and links without a text by their address."""
    address = ""
    for place, child in enumerate(children):
        if child.type == "link_open":
            address = str(child.attrGet("href") or "")
        if not address and child.type in {"link_open", "link_close"}:
            yield Token("text", "", 0, content="[" if child.nesting > 0 else "]()")
            continue
        yield child
        if child.type == "link_open" and children[place + 1].type == "link_close":
            yield Token("text", "", 0, content=address)


def _emoji(state: StateCore) -> None:
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "text":
                child.content = with_emoji(child.content)


def _mentions(state: StateCore) -> None:
    mentionable = state.env["mentionable"]
    if mentionable == NOBODY:
        return
    quotes = 0
    for token in state.tokens:
        quotes += token.nesting if token.type.startswith("blockquote_") else 0
        if token.children:
            token.children = list(_with_mentions(token.children, state.env, is_quoted=quotes > 0))


def _with_mentions(children: Sequence[Token], env: EnvType, *, is_quoted: bool) -> Iterator[Token]:
    # Names in a quoted message were mentioned there. Its author, at its head before the link back, is mentioned here.
    tells = not is_quoted or _is_way_back(children[1:2])
    links = 0
    for place, child in enumerate(children):
        links += child.nesting if child.type.startswith("link_") else 0
        if child.type != "text" or links:
            yield child
            continue
        done = 0
        for start, end in env["mentionable"].names_in(child.content):
            yield Token("text", "", 0, content=child.content[done:start])
            mention = _mention(child.content[start + 1 : end], env, tells=tells and not (is_quoted and place))
            yield Token("html_inline", "", 0, content=mention)
            done = end
        yield Token("text", "", 0, content=child.content[done:])


def _is_way_back(tokens: Sequence[Token]) -> bool:
    return any(token.type == "link_open" and _PERMALINK.fullmatch(str(token.attrGet("href"))) for token in tokens)


def _mention(name: str, env: EnvType, *, tells: bool) -> str:
    people = env["mentionable"].named(name)
    if tells:
        env["named"].add(name.lower())
    if not people:
        return f'<span class="mention">@{EVERYBODY}</span>'
    return f'<a class="mention" href="/people/{people[0].id}">@{escape(people[0].name)}</a>'


def _link_open(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: OptionsDict, env: EnvType) -> str:
    """Open links to other sites in a new tab, links into the chat in place."""
    if str(tokens[place].attrGet("href")).startswith("/"):
        return renderer.renderToken(tokens, place, options, env)
    tokens[place].attrSet("target", "_blank")
    return renderer.renderToken(tokens, place, options, env)
