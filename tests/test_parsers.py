"""Parsers of input from people and browsers take linear time."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.accounts.passwords import check_password
from chat.accounts.person import Person as Named
from chat.accounts.sign_up import valid_email
from chat.accounts.status import status_in, valid_status
from chat.accounts.user_agents import agent_of
from chat.database.engine import LONGEST_QUERY, contains
from chat.errors import InvalidInput
from chat.folding import bare
from chat.hosts import host_name
from chat.ids import UserId
from chat.logs import safe
from chat.messages.body import LONGEST_BODY, checked_body
from chat.messages.commands import _COMMAND
from chat.messages.emoji import find_emoji, is_emoji, shortcodes, with_emoji
from chat.messages.markdown import as_typed, escaped, is_brief, plain, unescaped, written
from chat.messages.mentionable import Mentionable
from chat.models import users
from chat.search.extract import extract
from chat.search.folding import spaced
from chat.search.query import LONGEST, parse_search
from chat.state import Request
from chat.text import checked_name, paragraphs, single_line
from chat.times import in_zone, is_zone
from chat.web.cookies import access_token, zone
from chat.web.forms import whole_number
from tests.support.linear import Repeated, assert_linear, cpu_time, repeated
from tests.support.people import Person, bodies, sign_up
from tests.support.searching import until_searchable
from tests.support.silence import Silence

pytestmark = pytest.mark.usefixtures("unmeasured")

NOW = datetime(2026, 11, 24, tzinfo=UTC)
HEADER = 32_000  # characters
FIELD = 250_000
LETTERS = ["a", "é", "\u0301", "田", "ﷺ", "\u200d", "👍", " ", "\n", "\t", "\x00", "\u2028", "1", "_"]
PEOPLE = tuple(
    Named(UserId(place), name)
    for place, name in enumerate(["a" * length for length in range(1, 61)] + ["田" * 30, "ab", "a b", "a a a"] * 50, 1)
)
NOBODY_AND_ALL = Mentionable(PEOPLE, everybody=True)


def request(**headers: str) -> Request:
    """A request with these headers, as the server makes it."""
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    return Request({"type": "http", "scheme": "http", "path": "/", "server": ("localhost", 80), "headers": raw})


def cookies(header: str) -> None:
    access_token(request(cookie=header))
    zone(request(cookie=header))


def extracts(text: str) -> None:
    """Match a long question against a message that contains it and a message that nearly does."""
    markup = str(as_typed(text))
    for typed in (text[: LONGEST - 10], f'"{text[:100]}b" {text[:80]}', " ".join(text[:20])):
        with suppress(InvalidInput):
            terms = parse_search(typed.replace('"', " ") + " a", NOW).wanted
            extract(markup, terms[:20])


def refused_or(work: Callable[[str], object]) -> Callable[[str], object]:
    """The same work, which may also refuse the text."""

    def attempt(text: str) -> None:
        with suppress(InvalidInput):
            work(text)

    return attempt


PARSERS: dict[str, tuple[Callable[[str], object], int, list[str]]] = {
    "user agents": (
        agent_of,
        HEADER,
        ["Version/", "Version/x ", "Safari/", "Chrome/", "Mac OS X", "Edg", "Opera", "Linux", "x", " ", "/", "(", ";"],
    ),
    "user agents, to be shown": (lambda text: str(agent_of(text)), HEADER, ["Version/1 ", "Safari/", "iPhone", "Mac "]),
    "cookies": (
        cookies,
        HEADER,
        ["zone=", '"', "\\", '\\"', "\\101", "\\1", ";", "; ", "=", "a=b", "simplechat-access=", "a", ",", " "],
    ),
    "e-mail addresses": (refused_or(valid_email), FIELD, ["a", "@", ".", "a@b", "a.", " ", "@b.", "\n", "é"]),
    "passwords": (
        refused_or(lambda text: check_password(text, ["Ada Lovelace", text[:200]])),
        FIELD,
        ["a", "1", " ", "é", "ada", "ﷺ", "\x00"],
    ),
    "lines of the log": (
        safe,
        LONGEST_BODY,
        ["eyJ", "-eyJ", "a", ".", "-", "[parameters: ", "row contains (", ")", "]", "$argon2", " ", "\x00", "\n"],
    ),
    "hosts": (host_name, HEADER, ["a", ".", "-", "_", ":", "1", "[", "]", "::", "é"]),
    "names": (refused_or(lambda text: checked_name(text, 60)), FIELD, LETTERS),
    "lines": (single_line, FIELD, LETTERS),
    "paragraphs": (paragraphs, FIELD, LETTERS),
    "messages before they are written": (refused_or(checked_body), FIELD, ["a", "\r", "\n", "\r\n", " ", "\x00", "\t"]),
    "commands": (
        lambda text: _COMMAND.fullmatch(text.strip("\r\n").rstrip()),
        FIELD,
        ["/", "a", " ", "\n", "1", "/a "],
    ),
    "statuses": (
        refused_or(lambda text: valid_status(text, text, "today", NOW)),
        FIELD,
        [":", ":a", ":tada:", *LETTERS],
    ),
    "statuses by a command": (refused_or(status_in), FIELD, [":", ":a", ":tada:", *LETTERS]),
    "emoji": (with_emoji, LONGEST_BODY, [":", ":a", ":tada:", "::", "_", "a", "-", "+1", " ", "👍", ":\ufe0f"]),
    "emoji to find": (lambda text: find_emoji(text, 8), HEADER, [":", "a", "_", " ", "ta", "👍"]),
    "emoji to recognise": (
        lambda text: (is_emoji(text), shortcodes(text)),
        FIELD,
        ["👍", "\ufe0f", "a", "\u200d", "🏽"],
    ),
    "time zones": (
        lambda text: (is_zone(text), in_zone(NOW, text)),
        HEADER,
        ["Europe/", "Europe/Berlin", "/", ".", "a"],
    ),
    "numbers": (whole_number, FIELD, ["1", "0", "-", "a", "١"]),
    "text to be escaped": (escaped, LONGEST_BODY, ["\\", "*", "a", "\\*", "\n", "é"]),
    "text that was escaped": (unescaped, LONGEST_BODY, ["\\", "*", "a", "\\*", "\n", "é"]),
    "text as it was typed": (as_typed, LONGEST_BODY, ["&", "<", ">", "&amp;", "&#", "a", "\n", '"']),
    "markup to be read as text": (
        lambda text: plain(text, {"blockquote"}),
        LONGEST_BODY * 4,
        # The chat's own markup is well formed. Of elements that nobody closes, a browser's rules make quadratic work.
        [
            "<p>a</p>",
            "<blockquote><p>a</p></blockquote>",
            "<p><em>a</em></p>",
            "<p><em><strong><del>a</del></strong></em><br></p>",
            '<p><a href="/x">a</a></p>',
            "<ul><li>a</li></ul>",
            "&amp;",
            "&lt;b",
            "a",
            "\n",
        ],
    ),
    "text to be compared": (lambda text: spaced(bare(text)), LONGEST_BODY, [*LETTERS, "ẞ", "İ", "ｱ"]),
    "names in messages": (
        lambda text: list(NOBODY_AND_ALL.names_in(text)),
        LONGEST_BODY,
        ["@", "a", "aa", " ", "@a", "@a a", "田", "@田", "@room", "b", "\n", "."],
    ),
    "questions": (
        refused_or(lambda text: parse_search(text, NOW)),
        HEADER,
        ['"', "-", "from:", "in:", "has:", "before:", "a", " ", '"a', "-from:", ":", "é", "👍", "田"],
    ),
    "questions as long as they may be": (
        refused_or(lambda text: [term.pattern for term in parse_search(text[:LONGEST], NOW).terms]),
        1200,
        ['"', "-", "from:", "before:today", "a", " ", '"a', "a ", "👍", "田"],
    ),
    "extracts of what was found": (extracts, LONGEST_BODY, ["a", " ", "a ", "aa", "é", "田", "ﷺ", "&", "<", "b", "👍"]),
}


@pytest.mark.parametrize("parser", PARSERS)
@settings(max_examples=15)
@given(data=st.data())
def test_parsing_takes_time_linear_in_the_length(parser: str, data: st.DataObject) -> None:
    work, longest, pieces = PARSERS[parser]
    assert_linear(work, data.draw(repeated(pieces)), longest)


def test_a_search_for_names_ignores_text_longer_than_a_name() -> None:
    parameters = contains(users.c.name, "a" * HEADER).compile().params
    assert [len(text) for text in parameters.values() if isinstance(text, str)] == [LONGEST_QUERY]


def test_the_check_notices_a_quadratic_parser() -> None:
    safari = re.compile(r"\bVersion/\S+ .*\bSafari/")
    with pytest.raises(AssertionError, match="become"):
        assert_linear(safari.search, Repeated("", "Version/x ", ""), 8000)


MARKDOWN = [
    "[",
    "]",
    "(",
    ")",
    "](",
    "![",
    "[a](",
    "[a](http://x ",
    "[[a](b)](c) ",
    "*",
    "**",
    "*a",
    "_a",
    "a**b",
    "_a__b",
    "*a_",
    "~~",
    "~~a",
    "~",
    "`",
    "``",
    "`a``",
    "> ",
    ">",
    ">a\n\n",
    "- ",
    "- a\n",
    "> - ",
    "1. ",
    "* a\n",
    "&",
    "&amp;",
    "&#1;",
    "<",
    "<a ",
    "<x@y.z>",
    "<http://",
    "http://",
    "http://[",
    "http://a.",
    "http://a-",
    "http://ⓐ.",
    "https://x.org/(",
    "mailto:",
    "mailto:a@b.c ",
    "www.",
    "//",
    "\\",
    "\\[",
    '"',
    "'",
    "\n",
    "\n\n",
    " ",
    "  \n",
    "\t",
    "x\n",
    "x ",
    "a",
    ":",
    ":a:",
    ":tada:",
    ":::",
    "|a|\n",
    "|-|\n",
    "a|b\n-|-\n",
    "- \n",
    "$",
    "{{",
    "@",
    "@a",
    "@aa ",
    "@room ",
    "#",
    "---\n",
    "<!--",
    "<![CDATA[",
    "*`",
    "*[",
    "`[",
    "[*",
    "](<",
    "é",
    "田",
]
AT_ONCE = 0.1  # seconds of CPU time; on an ordinary machine it is a fifth of that


@settings(max_examples=60)
@given(repeated(MARKDOWN))
def test_texts_rendered_in_the_server_process_are_fast(text: Repeated) -> None:
    body = next((body for body in map(text.text, range(999, 0, -50)) if is_brief(body)), "")
    assert any(cpu_time(lambda it: written(it, NOBODY_AND_ALL), body) < AT_ONCE for _ in range(5)), body


def test_no_text_delays_other_members(alice: Person, bob: Person) -> None:
    for name in ("A", "Aa", "Aaa", "Aaaa a"):
        sign_up(alice.server, name)
    alice.post(1, "first")
    with Silence(alice.server, bob.client, "/profile") as silence:
        for place, piece in enumerate(MARKDOWN):
            body = "x" + (piece * LONGEST_BODY)[: LONGEST_BODY - 2] + "x"
            answer = alice.edit(1, body) if place % 2 else alice.post(1, body)
            assert answer.status_code == 200, answer.text
            assert re.match(r"\s*x.*x", bodies(answer.text)[0], re.DOTALL), piece
    assert silence.longest < 0.2


def test_no_search_delays_other_members(alice: Person, bob: Person) -> None:
    for letter in "aéﷺ田&":
        for _ in range(4):
            alice.post(1, (letter + " " + letter) * (LONGEST_BODY // 3))
    until_searchable(alice.server)
    with Silence(alice.server, bob.client, "/profile") as silence:
        for question in (
            "a a a a a a",
            "é é é",
            "é from:alice",
            "田 田 田",
            "田田田",
            '"a a' + " a" * 130 + '"',
            "&",
            "in:lobby",
        ):
            assert alice.client.get("/search", params={"q": question}).status_code in (200, 422)
    assert silence.longest < 0.2
