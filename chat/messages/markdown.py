"""Markdown to safe markup: CommonMark without the parts a chat has no use for, rendered once when it is posted.

Two walls stand between a text and the page. markdown-it writes markup for the syntax it knows and escapes the rest.
nh3 lets through only the elements, attributes and classes listed here, so nobody can type an attribute of htmx or a
class of the style sheets.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

from chat.folding import folded
from chat.ids import UserId
from chat.messages.emoji import is_only_emoji, with_emoji
from chat.messages.highlighting import CLASSES, has_colours
from chat.messages.links import Linkifier, host_of, is_disguised
from chat.messages.mentionable import EVERYBODY, Mentionable
from chat.messages.syntax import as_typed_by_people
from chat.text import is_blank

ELEMENTS = {"p", "br", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "span"}
ELEMENTS |= {"table", "thead", "tbody", "tr", "th", "td"}
SHORT = 1000  # characters
MOST_SYNTAX = 150
MARKUP_PER_BYTE, MARKUP_ALLOWANCE = 4, 4000
LINK_SCHEMES = {"http", "https", "mailto"}
_SIDES = {"right", "center"}
_ALLOWED_CLASSES = {"span": CLASSES | {"mention"}, "a": {"mention"}, "p": {"large"}, "th": _SIDES, "td": _SIDES}

_ADDRESS = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_PERMALINK = re.compile(r"/rooms/\d+/messages/\d+(?:#m-\d+)?")
_ACTION = "/me "
_SYNTAX = "*_`~[]()!<>&:@|-+#=.\\\n"
_OLD_SHRUG = "¯\\\\\\_(ツ)\\_/¯", "¯\\_(ツ)_/¯"  # as /shrug wrote it when a backslash always escaped
_REFERENCE = re.compile(r"&(?=[0-9A-Za-z#])")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
# Signs with a meaning within a line, where they have it.
_MEANING = re.compile(r"[\\`*~\[\]<&@]|(?<![^\W_])_|_(?![^\W_])|:(?=//|[\w+-]+:)")
_TAG = re.compile(r"<[^>]*>")
_SEEN = re.compile(r"[!-~]")
# Lines of plain words, in which no Markdown, link, mention or emoji can begin. Most messages are no more than that.
_WORDS = r"""[^\W\d_](?:[^\W_]|[ ,;?!'’"()-]|[.:](?=[ \n]|\Z))*(?<! )"""
_PLAIN = re.compile(rf"{_WORDS}(?:\n{_WORDS})*")


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
    # A text that Markdown would hide completely, such as ```, is shown as it was typed.
    is_hidden = shows_nothing(made.html) and not is_blank(html.unescape(body))
    return replace(made, html=as_typed(body)) if is_hidden or _is_too_large(made, body) else made


def shows_nothing(markup: str) -> bool:
    """Tell whether there is nothing to see in a message's markup."""
    words = html.unescape(_TAG.sub("", markup))
    return not _SEEN.search(words) and is_blank(words)


def is_brief(body: str) -> bool:
    """Tell whether a text is short and harmless, so that it is rendered within a few milliseconds."""
    has_little_syntax = len(body) < MOST_SYNTAX or sum(map(body.count, _SYNTAX)) < MOST_SYNTAX
    return len(body) < SHORT and has_little_syntax and not has_colours(body)


def as_typed(body: str) -> Markup:
    """Render a text without any formatting, at most four bytes for each character: the fallback."""
    # An & is a character reference only before a letter, a digit or a # (HTML, 13.2.5.72).
    text = _REFERENCE.sub("&amp;", body).replace("<", "&lt;")
    return Markup(f'<p class="typed">{text}</p>')  # noqa: S704  escaped


def _is_too_large(made: Written, body: str) -> bool:
    return len(made.html.encode()) > MARKUP_PER_BYTE * len(body.encode()) + MARKUP_ALLOWANCE


def _written(body: str, mentionable: Mentionable, colours: Colours | None) -> Written:
    text = unicodedata.normalize("NFC", body)
    if _PLAIN.fullmatch(text):
        # Parsing this would come to the same, and take ten times as long.
        return Written(Markup("<p>" + text.replace("\n", "<br>\n") + "</p>"))  # noqa: S704  no sign of HTML
    return _parsed(text, mentionable, colours)


def _parsed(body: str, mentionable: Mentionable, colours: Colours | None) -> Written:
    env: dict[str, Any] = {"mentionable": mentionable, "named": set()}
    is_action = body.startswith(_ACTION)
    markdown = _markdown()
    markdown.options["highlight"] = colours
    markup = nh3.clean(
        markdown.render(body.removeprefix(_ACTION).replace(*_OLD_SHRUG), env),
        tags=ELEMENTS,
        attributes={"a": {"href"}, "ol": {"start"}},
        allowed_classes=_ALLOWED_CLASSES,
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
    """Return a text escaped, so that Markdown shows it as it is within a line."""
    return _MEANING.sub(lambda sign: f"&#{ord(sign[0])};", text)


def unescaped(text: str) -> str:
    """Return a text without Markdown's backslash escapes and character references."""
    return html.unescape(_ESCAPED.sub(r"\1", text))


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802  overridden
        return bool(_ADDRESS.match(url) or _PERMALINK.fullmatch(url))

    def normalizeLinkText(self, url: str) -> str:  # noqa: N802  overridden
        """Show an encoded host as it was typed: decoded, it may look like another."""
        return url if "xn--" in host_of(url) else super().normalizeLinkText(url)


@cache
def _markdown() -> MarkdownIt:
    markdown = _Markdown("commonmark", {"html": False, "breaks": True, "linkify": True})
    markdown.enable(["strikethrough", "linkify", "table"])
    # No headings, no code by indentation, no pictures.
    markdown.disable(["heading", "lheading", "hr", "image", "reference", "code", "html_block", "html_inline"])
    markdown.linkify = Linkifier()
    as_typed_by_people(markdown)
    markdown.block.ruler.before("paragraph", "answer", _ends_quote, {"alt": ["blockquote"]})
    markdown.core.ruler.before("text_join", "emoji", _emoji)  # a backslash before it keeps `\:tada:` as it is
    markdown.core.ruler.push("links", _links)
    markdown.core.ruler.push("large", _large)
    markdown.core.ruler.push("sides", _sides)
    markdown.core.ruler.push("mentions", _mentions)
    markdown.add_render_rule("link_open", _link_open)
    return markdown


def _ends_quote(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """End a quote at the first line without a >, where CommonMark would let it continue.

    markdown-it calls this for such lines only, to ask whether another block begins there.
    """
    return silent and state.parentType == "blockquote"


def _links(state: StateCore) -> None:
    for token in state.tokens:
        if token.children:
            token.children = list(_with_links_to_see(token.children))


def _with_links_to_see(children: Sequence[Token]) -> Iterator[Token]:
    """Show links without an address as they were typed.

    Links without words, and those whose words are the address of another host, show where they lead.
    """
    address, is_shown = "", True
    for place, child in enumerate(children):
        if child.type == "link_open":
            address = str(child.attrGet("href") or "")
            words = _words_in_link(children, place)
            is_shown = not (is_blank(words) or is_disguised(words, address))
        if not address and child.type in {"link_open", "link_close"}:
            yield Token("text", "", 0, content="[" if child.nesting > 0 else "]()")
        elif is_shown or not address or child.type in {"link_open", "link_close"}:
            yield child
        if address and not is_shown and child.type == "link_open":
            yield Token("text", "", 0, content=address)
        if child.type == "link_close":
            is_shown = True


def _words_in_link(children: Sequence[Token], opening: int) -> str:
    words = []
    for child in children[opening + 1 :]:
        if child.type == "link_close":
            break
        words.append(child.content)
    return "".join(words)


def _emoji(state: StateCore) -> None:
    for token in state.tokens:
        is_address = False
        for child in token.children or ():
            if child.type.startswith("link_"):
                is_address = child.nesting > 0 and child.info == "auto"
            if child.type == "text" and not is_address:
                child.content = with_emoji(child.content)


def _large(state: StateCore) -> None:
    """Mark a message of nothing but emoji."""
    paragraph = state.tokens[0] if len(state.tokens) == 3 else None
    if paragraph and paragraph.type == "paragraph_open":
        children = state.tokens[1].children or ()
        is_text = all(child.type in {"text", "softbreak"} for child in children)
        if is_text and is_only_emoji(" ".join(child.content for child in children)):
            paragraph.attrSet("class", "large")


def _sides(state: StateCore) -> None:
    """Align a table's cells by classes: the content security policy allows no styles."""
    for token in state.tokens:
        if token.type in {"th_open", "td_open"} and "style" in token.attrs:
            token.attrSet("class", str(token.attrs.pop("style")).removeprefix("text-align:"))


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
        env["named"].add(folded(name))
    if not people:
        return f'<span class="mention">@{EVERYBODY}</span>'
    return f'<a class="mention" href="/people/{people[0].id}">@{escape(people[0].name)}</a>'


def _link_open(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: OptionsDict, env: EnvType) -> str:
    """Open links to other sites in a new tab, links into the chat in place."""
    if str(tokens[place].attrGet("href")).startswith("/"):
        return renderer.renderToken(tokens, place, options, env)
    tokens[place].attrSet("target", "_blank")
    return renderer.renderToken(tokens, place, options, env)
