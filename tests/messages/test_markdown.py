"""Markdown: the markup it becomes, and the markup that never reaches a page."""

import html
import re
import unicodedata

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from chat.accounts.person import Person as Named
from chat.ids import UserId
from chat.messages.highlighting import highlighted
from chat.messages.markdown import (
    _PLAIN,
    ELEMENTS,
    MARKUP_ALLOWANCE,
    MARKUP_PER_BYTE,
    NOBODY,
    _parsed,
    _written,
    as_typed,
    written,
)
from chat.messages.mentionable import Mentionable
from tests.support.databases import query
from tests.support.linear import Repeated, repeated
from tests.support.people import Person

REL = 'rel="noopener noreferrer nofollow"'
LINK = re.compile(
    rf'<a href="[^"]+"(?: target="_blank")? {REL}>|<ol start="\d+">|<span class="hl-[a-z]+">'
    r'|<p class="(?:typed|large)">|<t[hd] class="(?:right|center)">'
)


def rendered(text: str) -> str:
    return str(written(text, colours=highlighted).html)


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("<b>&\"'", "<p>&lt;b&gt;&amp;\"'</p>"),
        (
            "**bold** _soft_ ~~gone~~ `a < b`",
            "<p><strong>bold</strong> <em>soft</em> <s>gone</s> <code>a &lt; b</code></p>",
        ),
        ("one\ntwo\n\nthree", "<p>one<br>\ntwo</p>\n<p>three</p>"),
        ("> said\n\nno", "<blockquote>\n<p>said</p>\n</blockquote>\n<p>no</p>"),
        ("> said\nno", "<blockquote>\n<p>said</p>\n</blockquote>\n<p>no</p>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>'),
        ("# no heading\n---", "<p># no heading<br>\n---</p>"),
        ("    indented", "<p>indented</p>"),
        ("snake_case_name and 2 * 3 * 4", "<p>snake_case_name and 2 * 3 * 4</p>"),
        (
            "see https://example.org.",
            f'<p>see <a href="https://example.org" target="_blank" {REL}>https://example.org</a>.</p>',
        ),
        (
            "(https://example.org/a_(b))",
            f'<p>(<a href="https://example.org/a_(b)" target="_blank" {REL}>https://example.org/a_(b)</a>)</p>',
        ),
        ("[it](https://e.org/?a=1&b)", f'<p><a href="https://e.org/?a=1&amp;b" target="_blank" {REL}>it</a></p>'),
        ("[there](/rooms/1/messages/2#m-2)", f'<p><a href="/rooms/1/messages/2#m-2" {REL}>there</a></p>'),
        ("[]() and [here]() :tada:", "<p>[]() and [here]() 🎉</p>"),
        ("[](https://e.org/)", f'<p><a href="https://e.org/" target="_blank" {REL}>https://e.org/</a></p>'),
        ("[out](/sign-out)", "<p>[out](/sign-out)</p>"),
        ("[x](javascript:alert(1)) data:text/html,x", "<p>[x](javascript:alert(1)) data:text/html,x</p>"),
        ("![x](https://e.org/x.png)", f'<p>!<a href="https://e.org/x.png" target="_blank" {REL}>x</a></p>'),
        ("notes.md and so.then", "<p>notes.md and so.then</p>"),
        (":tada: :no_such_thing: 10:30:45", "<p>🎉 :no_such_thing: 10:30:45</p>"),
        ("`:tada:`", "<p><code>:tada:</code></p>"),
        ("```\n<i>  x\n```", "<pre><code>&lt;i&gt;  x\n</code></pre>"),
        (
            "```python\nif x: # y\n```",
            '<pre><code><span class="hl-k">if</span> x: <span class="hl-c"># y</span>\n</code></pre>',
        ),
        ("```nolanguage\nif x\n```", "<pre><code>nolanguage\nif x\n</code></pre>"),
        ("🎉 👍🏽\n❤️", '<p class="large">🎉 👍🏽<br>\n❤️</p>'),
        (":tada::tada:", '<p class="large">🎉🎉</p>'),
        ("🎉 done", "<p>🎉 done</p>"),
        ("©", "<p>©</p>"),
        (
            "| a | b |\n|---|--:|\n| 1 | 2 |",
            '<table>\n<thead>\n<tr>\n<th>a</th>\n<th class="right">b</th>\n</tr>\n</thead>\n<tbody>\n'
            '<tr>\n<td>1</td>\n<td class="right">2</td>\n</tr>\n</tbody>\n</table>',
        ),
        ("a | b\n--- | ---\n1 | 2 | 3", "<p>a | b<br>\n--- | ---<br>\n1 | 2 | 3</p>"),
        ("/me waves at **you**", '<div class="me"><p>waves at <strong>you</strong></p></div>'),
    ],
)
def test_markdown_becomes_markup(text: str, markup: str) -> None:
    assert rendered(text) == markup


# fmt: off
PIECES = st.sampled_from([
    "<", ">", "<b id=x>", "<form action=/sign-out>", "<template>", "<a hx-get=/x>", "<p data-x style=y>", "<script>",
    "<svg/onload=x>", "[](", "`", "```", "```html\n", "*", "**", "_", "~~", "[", "](", ")", "![", "javascript:",
    "https://x.org/", "/rooms/1", "'", '"', "&", "&lt;", "\n", "\n> ", "\n- ", "1. ", ":tada:", "<!--", "]]>", "\\",
    "x", " ", '<https://x.org/" hx-get="/y>', "www.x.org", "|", "\n|-|:-:|\n", "\u3164", "&#8203;",
])
# fmt: on


@given(st.lists(PIECES, max_size=40).map("".join))
def test_only_listed_elements_and_attributes_reach_a_page(text: str) -> None:
    for tag in re.findall(r"<[^>]*>", rendered(text)):
        name = re.match(r"</?([a-z]+)", tag)
        assert name, tag
        assert name[1] in ELEMENTS, tag
        assert LINK.fullmatch(tag) or re.fullmatch(r"</?[a-z]+>", tag), tag


COSTLY = [
    "&",
    "a&",
    "<",
    ">",
    "\n",
    "a\n",
    "> ",
    ">>> a\n\n",
    "- a\n",
    "1. ",
    "*a*",
    "`a` ",
    "~~a~~",
    "[a](http://b.c)",
]
COSTLY += ["http://a.b ", "@Al ", "```json\n1,[a:\n```\n", "```java\n", '"""\n', "\u00a0", "é", "👍", "/me ", "\\"]
AL = Mentionable((Named(UserId(1), "Al"),))


@given(repeated(COSTLY), st.integers(0, 1500))
def test_markup_is_at_most_about_four_times_as_long_as_its_text(text: Repeated, length: int) -> None:
    body = text.text(length)
    size = len(body.encode())
    assert len(written(body, AL, highlighted).html.encode()) <= MARKUP_PER_BYTE * size + MARKUP_ALLOWANCE
    assert len(as_typed(body).encode()) <= MARKUP_PER_BYTE * size + 30


def test_a_text_with_too_much_markup_stays_plain_but_mentions_members() -> None:
    made = written("@Al " * 300, AL)
    assert made.html == as_typed("@Al " * 300)
    assert made.mentioned == {1}


@given(st.one_of(st.text(max_size=30), st.lists(PIECES, max_size=20).map("".join)))
def test_plain_text_looks_the_same_in_a_browser(text: str) -> None:
    markup = as_typed(text)
    assert html.unescape(markup.removeprefix('<p class="typed">').removesuffix("</p>")) == text
    assert nh3.clean(markup, tags={"p"}, attributes={"p": {"class"}}) == nh3.clean(
        f'<p class="typed">{escape(text)}</p>', tags={"p"}, attributes={"p": {"class"}}
    )


def test_adjacent_tokens_of_the_same_colour_share_an_element() -> None:
    assert rendered('```json\n["a","b"]\n```').count("<span") == 2
    assert rendered("```java\n" + '"""' * 3000 + "\n```").count("<span") == 1


def test_markup_is_rendered_once_and_stored(alice: Person) -> None:
    alice.post(1, "**one**")
    assert query(alice.server.database_url, "SELECT body_html FROM messages")[0][0] == "<p><strong>one</strong></p>"
    alice.edit(1, "_two_")
    assert query(alice.server.database_url, "SELECT body_html FROM messages")[0][0] == "<p><em>two</em></p>"
    alice.delete(1)
    assert query(alice.server.database_url, "SELECT body_html FROM messages")[0][0] == ""


# Letters, digits and signs of all kinds, and the beginnings of links, lists, emoji and commands.
PLAIN_PIECES = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=4),
    st.text(" ,;?!'’\"()-.:\n", min_size=1, max_size=3),
    st.sampled_from(
        ["www.", "http:", "example.com", "mailto:", "1.", "a", "note:", ":tada:", "@room", "\u0301", "\u3164"]
    ),
)


@given(st.lists(PLAIN_PIECES, min_size=1, max_size=12).map("".join))
def test_words_without_a_sign_of_markdown_look_as_if_they_were_parsed(body: str) -> None:
    text = unicodedata.normalize("NFC", body)
    assert _written(body, NOBODY, None) == _parsed(text, NOBODY, None)


@pytest.mark.parametrize(
    "text",
    [
        "Good morning! The hall is ours (again) on Friday, from six.",
        'I bring the projector.\nAnd two cords: the "long" ones; okay?',
        "안녕하세요! 금요일에 봐요",
        "it's half-past 6",
    ],
)
def test_plain_words_are_not_parsed(text: str) -> None:
    assert _PLAIN.fullmatch(text)
    assert _written(text, NOBODY, None) == _parsed(text, NOBODY, None)
