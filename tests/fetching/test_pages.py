"""Reading what pages say of themselves."""

import pytest

from chat.fetching import pages
from chat.fetching.fetch import Fetched
from chat.fetching.guard import NotFetched
from chat.fetching.page_worker import LONGEST_DESCRIPTION, LONGEST_SITE, LONGEST_TITLE, read
from chat.fetching.pages import Pages
from tests.support.hostile_pages import ARTICLE

PLACE = "https://news.example/2026/a"


def title_of(content: bytes, charset: str = "") -> str:
    return read(content, charset, PLACE)["title"]


@pytest.mark.anyio
async def test_a_page_says_its_site_title_description_and_picture() -> None:
    page = await Pages().read(Fetched(PLACE, "text/html", "", ARTICLE.encode()))
    assert page == {
        "site": "Willow News",
        "title": "Lanterns at dusk",
        "description": "A walk along the river. Bring a light.",
        "picture": "https://news.example/picture.jpg",
    }


def test_a_page_without_such_elements_has_its_title() -> None:
    head = b"<TITLE>Tom &amp; \n Jerry</title><title>Second</title><meta name=description content=Cats>"
    assert read(head, "", PLACE) == {"site": "", "title": "Tom & Jerry", "description": "Cats", "picture": ""}
    twitter = b'<meta name="twitter:title" content="T"><meta name="twitter:image" content="//cdn.example/i.png">'
    assert read(twitter, "", PLACE)["title"] == "T"
    assert read(twitter, "", PLACE)["picture"] == "https://cdn.example/i.png"
    assert title_of(b"<svg><title>Logo</title></svg>" + b"<title>Other</title>") == "Logo"
    assert title_of(b"<head></head><title>too late</title>") == ""
    assert title_of(b"<body><title>too late</title>") == ""


@pytest.mark.parametrize(
    ("content", "charset"),
    [
        ("<title>Grüße 日本</title>".encode(), ""),
        ("<title>Grüße 日本</title>".encode(), "no-such-charset"),
        ("<title>Grüße 日本</title>".encode(), "rot13"),
        ("\ufeff<title>Grüße 日本</title>".encode("utf-16-le"), ""),
        ("\ufeff<title>Grüße 日本</title>".encode("utf-16-be"), "utf-8"),
        ("\ufeff<title>Grüße 日本</title>".encode(), "iso-8859-1"),
        ('<meta charset="gb18030"><title>Grüße 日本</title>'.encode("gb18030"), ""),
        ('<meta http-equiv=x content="text/html; charset=gb2312"><title>Grüße 日本</title>'.encode("gb18030"), ""),
    ],
)
def test_a_title_is_read_in_its_charset(content: bytes, charset: str) -> None:
    assert title_of(content, charset) == "Grüße 日本"


def test_a_broken_charset_breaks_no_more_than_its_letters() -> None:
    assert title_of(b"<title>Gr\xfc\xdfe</title>") == "Gr\ufffd\ufffde"
    assert title_of(b"<title>Gr\xfc\xdfe \x80</title>", "ISO-8859-1") == "Grüße €"
    assert title_of(b"<title>a\xff</title>", "utf-7") == "a\ufffd"


def test_a_title_is_cut_and_has_no_signs_that_cannot_be_seen() -> None:
    hostile = "<title>a\0b\x1b[31mc\u202eevil\u2066\u200b\u200fd\ue000&#x202e;&lt;script&gt;</title>"
    assert title_of(hostile.encode()) == "a b [31mcevild<script>"
    long = f'<title>{"t" * 100_000}</title><meta name=description content="{"d " * 90_000}">'
    page = read(f'{long}<meta property="og:site_name" content="{"s" * 1000}">'.encode(), "", PLACE)
    assert [len(page["title"]), len(page["site"])] == [LONGEST_TITLE, LONGEST_SITE]
    assert len(page["description"]) <= LONGEST_DESCRIPTION
    assert page["title"].endswith("…")


@pytest.mark.parametrize(
    "said", ["javascript:alert(1)", "data:image/png;base64,AAAA", "file:///etc/passwd", "http://[", "x" * 3000]
)
def test_a_picture_has_an_address_of_the_web_or_none(said: str) -> None:
    assert read(f'<meta property="og:image" content="{said}">'.encode(), "", PLACE)["picture"] == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<",
        b"<!--" * 100_000,
        b"<![CDATA[" * 50_000,
        b"<a " + b"b='" * 150_000,
        b"<title>" * 70_000,
        bytes(500_000),
    ],
    ids=["nothing", "a sign", "comments", "sections", "attributes", "titles", "zeros"],
)
@pytest.mark.anyio
async def test_a_hostile_page_ends_its_own_process_at_most(content: bytes) -> None:
    try:
        page = await Pages().read(Fetched(PLACE, "text/html", "utf-8", content))
    except NotFetched:
        return
    assert len(page["title"]) <= LONGEST_TITLE


@pytest.mark.anyio
async def test_a_page_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SECONDS", 0.001)
    with pytest.raises(NotFetched, match="too long"):
        await Pages().read(Fetched(PLACE, "text/html", "", ARTICLE.encode()))
