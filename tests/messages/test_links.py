"""Links end where the address does, and lead where they say."""

import re

import pytest

from chat.messages.markdown import plain
from tests.messages.test_markdown import rendered


def links(text: str) -> list[tuple[str, str]]:
    return re.findall(r'<a href="([^"]*)"[^>]*>([^<]*)</a>', rendered(text))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://t.example/abc。谢谢", "http://t.example/abc"),
        ("https://example.com/page를 보세요", "https://example.com/page"),
        ("https://example.com에서", "https://example.com"),
        ("https://example.com:8080에서", "https://example.com:8080"),
        ("https://example.com/pageครับ", "https://example.com/page"),
        ("「https://example.com/a」と", "https://example.com/a"),
        ("请看https://example.com/a，谢谢", "https://example.com/a"),
        ("https://example.org/b:", "https://example.org/b"),
        ("https://example.org/b?", "https://example.org/b"),
        ("(https://example.org/a_(b))", "https://example.org/a_(b)"),
        ("http://[::1]:8000/a", "http://[::1]:8000/a"),
        ("http://[2001:db8::1]/", "http://[2001:db8::1]/"),
        ("http://intranet/page", "http://intranet/page"),
        ("https://example.org/?q=a,b&c=(d)#e!", "https://example.org/?q=a,b&c=(d)#e"),
    ],
)
def test_a_link_ends_where_the_address_does(text: str, address: str) -> None:
    assert links(text) == [(address.replace("&", "&amp;"),) * 2]
    assert plain(rendered(text)) == text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("https://ko.wikipedia.org/wiki/한국어", "%ED%95%9C%EA%B5%AD%EC%96%B4"),
        ("https://th.wikipedia.org/wiki/ไทย", "%E0%B9%84%E0%B8%97%E0%B8%A2"),
        ("https://hi.wikipedia.org/wiki/हिन्दी", "%E0%A4%B9%E0%A4%BF%E0%A4%A8%E0%A5%8D%E0%A4%A6%E0%A5%80"),
    ],
)
def test_letters_of_any_script_may_stand_in_an_address(text: str, path: str) -> None:
    assert links(text) == [(f"{text.rpartition('/')[0]}/{path}", text)]


def test_www_begins_an_address() -> None:
    assert links("see www.example.org.") == [("http://www.example.org", "www.example.org")]
    assert links("我的www.example.org很好") == [("http://www.example.org", "www.example.org")]
    assert links("awww.example.org www. www.x notes.md so.then") == []


def test_a_link_leads_to_no_other_host_than_it_shows() -> None:
    assert links("https://xn--80ak6aa92e.com/") == [("https://xn--80ak6aa92e.com/",) * 2]
    assert links("https://한국.com/x") == [("https://xn--3e0b707e.com/x", "https://한국.com/x")]
    assert links("[https://bank.example/](https://evil.example/)") == [("https://evil.example/",) * 2]
    assert links("[www.bank.example](https://bank.example/)") == [("https://bank.example/", "www.bank.example")]
    assert links("[notes.md](https://example.org/)") == [("https://example.org/", "notes.md")]
    assert links("https://bank.example@evil.example/ https://bank.example\\@evil.example") == []


def test_the_words_of_an_address_are_not_changed() -> None:
    assert links("https://example.org/:tada:/a <https://example.org/:tada:>") == [
        ("https://example.org/:tada:/a",) * 2,
        ("https://example.org/:tada:",) * 2,
    ]
    assert links("[:tada: party](https://example.org)") == [("https://example.org", "🎉 party")]
