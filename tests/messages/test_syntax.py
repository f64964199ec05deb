"""Text that is not meant as markup shows as typed: lone signs, backslashes, shortcodes in words, code."""

from datetime import UTC, datetime

import pytest
from markupsafe import escape

from chat.accounts.status import valid_status
from chat.errors import InvalidInput
from chat.messages.markdown import escaped, plain, shows_nothing, written
from chat.text import checked_name, paragraphs, single_line
from tests.messages.test_markdown import rendered
from tests.support.databases import query
from tests.support.people import Person


@pytest.mark.parametrize(
    "text",
    [
        *(
            "+",
            "-",
            "*",
            "1.",
            "1)",
            ">",
            ">>",
            ">:(",
            ">.<",
            ">_<",
            ">:D no",
            ">5",
            "```",
            "~~~",
            "~~~ hello ~~~",
            "|",
        ),
        *("---", "***", "===", "#", "\\", "/", "[]", "()", "&", "<", "@", "~", "_", "__", "``"),
        "std::thread::sleep",
        "127.0.0.1:1234:80",
        "C:/x:tada:/y and a:tada:b",
        "¯\\_(ツ)_/¯",
        "\\\\server\\share",
        "C:\\_temp\\*.txt",
        "C:\\temp\\",
        "grep '\\(\\d+\\)\\.\\w*' and snake\\_case",
        "\\[ x^2 \\] and \\alpha",
    ],
)
def test_a_text_without_formatting_stands_as_typed(text: str) -> None:
    markup = rendered(text)
    assert plain(markup) == text
    assert markup in (f"<p>{escape(text)}</p>".replace("&#39;", "'"), f'<p class="typed">{escape(text)}</p>')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\\*not bold\\*", "*not bold*"),
        ("\\*not bold*", "*not bold*"),
        ("so \\_this\\_ is", "so _this_ is"),
        ("\\`code\\`", "`code`"),
        ("\\- no list", "- no list"),
        ("1\\. no list", "1. no list"),
        ("\\> no quote", "> no quote"),
        ("\\:tada:", ":tada:"),
        ("\\&nbsp;", "&nbsp;"),
        ("\\[a](/rooms/1/messages/1)", "[a](/rooms/1/messages/1)"),
    ],
)
def test_a_backslash_keeps_a_sign_from_its_meaning(text: str, shown: str) -> None:
    assert rendered(text) == f"<p>{escape(shown)}</p>"


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("```foo\nbar```\nafter", "<pre><code>foo\nbar\n</code></pre>\n<p>after</p>"),
        ("```foo bar\nbaz\n```", "<pre><code>foo bar\nbaz\n</code></pre>"),
        ("```\n  a```", "<pre><code>  a\n</code></pre>"),
        ("```text\na ```b```\nc\n```\nd", "<pre><code>a ```b```\nc\n</code></pre>\n<p>d</p>"),
        ("~~~\na\n```\n~~~", "<pre><code>a\n```\n</code></pre>"),
        ("- ```\n  a\n  ```\n- b", "<ul>\n<li>\n<pre><code>a\n</code></pre>\n</li>\n<li>b</li>\n</ul>"),
        ("```foo", "<pre><code>foo\n</code></pre>"),
        (">\n> a", "<blockquote>\n<p>a</p>\n</blockquote>"),
        (">hello", "<blockquote>\n<p>hello</p>\n</blockquote>"),
        ("- a\n-\n- b", "<ul>\n<li>a</li>\n<li></li>\n<li>b</li>\n</ul>"),
        ("おめでとう:tada:", "<p>おめでとう🎉</p>"),
        ("(:tada:) :+1:, :100:", "<p>(🎉) 👍️, 💯</p>"),
    ],
)
def test_no_line_of_code_or_of_a_quote_is_lost(text: str, markup: str) -> None:
    assert rendered(text) == markup


@pytest.mark.parametrize(
    "text", ["*x* & `y`", "O'Neil", "@room", "a_b _c_", "[x](https://e.org)", "\\*", ":tada:", "<b>"]
)
def test_an_escaped_text_is_shown_as_it_is(text: str) -> None:
    assert plain(rendered(f"topic: {escaped(text)}")) == f"topic: {text}"
    assert not written(f"topic: {escaped(text)}").mentioned


NOTHING = ("\u200b", "\u2800", "\u3164", "\u115f", "\u00a0 \u200d", "\ufe0f", "\U000e0101")


def test_a_message_with_nothing_to_see_is_refused(alice: Person) -> None:
    alice.post(1, "seen")
    for text in (*NOTHING, "&nbsp;", "&#8203;"):
        assert alice.post(1, text).status_code == 422, text
        assert alice.edit(1, text).status_code == 422, text
    assert alice.reads(1) == ["seen"]


@pytest.mark.parametrize("text", NOTHING)
def test_a_text_with_nothing_to_see_is_no_name_topic_or_status(text: str) -> None:
    for name in (text, f" {text}{text} "):
        with pytest.raises(InvalidInput):
            checked_name(name, 60)
        assert single_line(name) == ""
        assert paragraphs(name) == ""
        assert valid_status("", name, "always", datetime.now(UTC)).text == ""
    assert single_line("❤️ عربی\u200cها") == "❤️ عربی\u200cها"


def test_a_link_whose_words_are_invisible_shows_its_address() -> None:
    assert ">https://e.org/</a>" in rendered("[\u200b](https://e.org/)")
    assert shows_nothing("<p>&nbsp;\u3164</p>")
    assert not shows_nothing("<p>&lt;</p>")


def test_a_shrug_keeps_its_arm(alice: Person) -> None:
    alice.post(1, "/shrug who knows")
    assert query(alice.server.database_url, "SELECT body, body_html FROM messages") == [
        ("who knows ¯\\_(ツ)_/¯", "<p>who knows ¯\\_(ツ)_/¯</p>")
    ]


def test_texts_from_before_backslashes_stood_as_typed_are_shown_as_they_were() -> None:
    old = "> @O\\'Neil\\. [wrote](/rooms/1/messages/1#m-1):\n> yes\n\n¯\\\\\\_(ツ)\\_/¯"
    assert plain(rendered(old)) == "@O'Neil. wrote: yes ¯\\_(ツ)_/¯"
    assert plain(rendered("/me set the topic: a\\.b \\*c\\*")) == "set the topic: a.b *c*"
