"""Fetching links from a server that nobody should trust."""

import asyncio
import socket
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from itertools import pairwise

import pytest

from chat.fetching import fetch
from chat.fetching.fetch import MOST_PAGE_BYTES, PAGES, PICTURES, Fetcher, host_of
from chat.fetching.guard import Guard, NotFetched, Refused
from chat.memory import MEGABYTE
from tests.support.hostile_pages import ARTICLE, HostilePages, bomb, hostile_pages

OURS = Guard((ip_network("127.0.0.1/32"),))
BOTH = PAGES | PICTURES
# Another address of this machine, which the guard refuses.
PRIVATE = "127.0.0.2"


@pytest.fixture(scope="module")
def pages() -> Iterator[HostilePages]:
    with hostile_pages() as found:
        yield found


@pytest.fixture(scope="module")
def private_pages() -> Iterator[HostilePages]:
    with hostile_pages(PRIVATE) as found:
        yield found


@pytest.mark.anyio
async def test_a_page_is_fetched_after_redirects_without_a_cookie_or_a_proxy(
    pages: HostilePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://{PRIVATE}:9")
    pages.asked.clear()
    found = await Fetcher(OURS).fetch(f"{pages.url}/to?/to?/article#part", BOTH)
    assert (found.kind, found.address) == ("text/html", f"{pages.url}/article")
    assert found.content.decode() == ARTICLE
    assert pages.paths() == ["/to?/to?/article", "/to?/article", "/article"]
    for asked in pages.asked:
        names = {name.lower() for name in asked.headers}
        assert names == {"host", "user-agent", "accept", "accept-language", "accept-encoding"}
        assert asked.headers["Host"] == pages.url.removeprefix("http://")
        assert asked.headers["User-Agent"].startswith("simplechat/")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/slow", "too long"),
        ("/slow-header", "too long"),
        ("/loop", "redirects too often"),
        ("/to?/to?/to?/to?/to?/to?/article", "redirects too often"),
        ("/svg", "neither a page nor a picture"),
        ("/endless?kind=application/pdf", "neither a page nor a picture"),
        ("/endless?kind=image/png", "too large"),
        ("/missing", "answers 404"),
        ("/no-http", "does not answer"),
        ("/long-headers", "sends too much"),
        ("/soon", "sends too much"),
        ("/nothing", "sends too much"),
        ("/crumbs?100000", "too many pieces"),
        ("/brotli", "compressed"),
        ("/damaged", "damaged"),
        ("/to?file:///etc/passwd", "not the address of a page"),
        ("/to?gopher://127.0.0.1/", "not the address of a page"),
        ("/to?http://user:secret@127.0.0.1/", "not the address of a page"),
        ("/to?http://127.0.0.1:99999/", "not the address of a page"),
        ("/to?http://[::1/", "not the address of a page"),
        ("/to?http://.example.org/", "not the address of a page"),
        ("/to?http://a%00b/", "not the address of a page"),
        (f"/to?http://{'a' * 2001}/", "not the address of a page"),
    ],
)
@pytest.mark.anyio
async def test_a_bad_answer_is_given_up(
    path: str, why: str, pages: HostilePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "long" in why:
        monkeypatch.setattr(fetch, "SECONDS", 0.5)
    with pytest.raises(NotFetched, match=why):
        await Fetcher(OURS).fetch(pages.url + path, BOTH)


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{port}/article",
        "http://[::ffff:127.0.0.2]:{port}/article",
        "http://0.0.0.0:{port}/article",
        "http://[::]:{port}/article",
        "//127.0.0.2:{port}/article",
        "http://2130706434:{port}/article",
        "http://0x7f000002:{port}/article",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
    ],
)
@pytest.mark.anyio
async def test_a_redirect_to_a_private_address_is_not_followed(
    target: str, pages: HostilePages, private_pages: HostilePages
) -> None:
    private_pages.asked.clear()
    address = target.format(port=private_pages.url.rpartition(":")[2])
    with pytest.raises(Refused):
        await Fetcher(OURS).fetch(f"{pages.url}/to?{address}", BOTH)
    assert private_pages.asked == []


@pytest.mark.anyio
async def test_an_endless_page_is_read_up_to_its_limit(pages: HostilePages) -> None:
    found = await Fetcher(OURS).fetch(f"{pages.url}/endless", BOTH)
    assert len(found.content) == MOST_PAGE_BYTES
    assert found.content.startswith(b"<title>Endless</title>")


@pytest.mark.anyio
async def test_a_bomb_is_not_unpacked(pages: HostilePages) -> None:
    bomb()
    tracemalloc.start()
    try:
        found = await Fetcher(OURS).fetch(f"{pages.url}/bomb", BOTH)
        assert tracemalloc.get_traced_memory()[1] < 16 * MEGABYTE, "with the server, which is in this process"
    finally:
        tracemalloc.stop()
    assert len(found.content) == MOST_PAGE_BYTES
    assert found.content.startswith(b"<title>A bomb</title>")


@pytest.mark.anyio
async def test_bytes_behind_a_compressed_page_are_not_read(pages: HostilePages) -> None:
    assert (await Fetcher(OURS).fetch(f"{pages.url}/afterwards", BOTH)).content == b"<title>Short</title>"


@pytest.mark.anyio
async def test_other_work_goes_on_while_a_page_of_tiny_chunks_is_read(pages: HostilePages) -> None:
    moments = [time.thread_time()]

    async def work() -> None:
        while True:
            await asyncio.sleep(0)
            moments.append(time.thread_time())

    working = asyncio.create_task(work())
    found = await Fetcher(OURS).fetch(f"{pages.url}/crumbs?9000", BOTH)
    working.cancel()
    assert found.content == b"A" * 9000
    pauses = [after - before for before, after in pairwise(moments)]
    assert max(pauses) < sum(pauses) / 3, f"{max(pauses):.2f} s of {sum(pauses):.2f} s without other work"


@pytest.mark.anyio
async def test_half_a_surrogate_pair_in_an_address_is_refused() -> None:
    for address in ("http://example.org/\ud800", "http://\ud800.example/", "http://example.org/?\ud800"):
        with pytest.raises(NotFetched, match="not the address of a page"):
            await Fetcher(OURS).fetch(address, BOTH)


@pytest.mark.anyio
async def test_a_name_that_is_bound_anew_leads_nowhere_else() -> None:
    """DNS rebinding: the check sees the attacker's own server, and the connection would go to another."""
    with hostile_pages(PRIVATE) as theirs:
        port = int(theirs.url.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)) as victim:
            victim.settimeout(0)
            answers = iter([[PRIVATE], ["127.0.0.1"]])
            asked: list[str] = []

            async def resolve(host: str) -> Sequence[str]:
                asked.append(host)
                return next(answers)

            fetcher = Fetcher(Guard((ip_network(PRIVATE),), resolve))
            found = await fetcher.fetch(f"http://rebind.example:{port}/article", BOTH)
            assert found.content.decode() == ARTICLE
            assert asked == ["rebind.example"], "the name is resolved once for a connection"
            assert theirs.asked[0].headers["Host"] == f"rebind.example:{port}"
            with pytest.raises(Refused):
                await fetcher.fetch(f"http://rebind.example:{port}/article", BOTH)
            with pytest.raises(BlockingIOError):
                victim.accept()


@pytest.mark.anyio
async def test_a_second_address_is_tried_when_the_first_does_not_answer(pages: HostilePages) -> None:
    async def resolve(_host: str) -> Sequence[str]:
        return [PRIVATE, "127.0.0.1"]

    port = pages.url.rpartition(":")[2]
    fetcher = Fetcher(Guard((ip_network("127.0.0.0/8"),), resolve))
    assert (await fetcher.fetch(f"http://two.example:{port}/article", BOTH)).content.decode() == ARTICLE
    with pytest.raises(NotFetched, match="does not answer"):
        await fetcher.fetch("http://two.example:1/", BOTH)


@pytest.mark.anyio
async def test_tls_expects_the_certificate_of_the_name(pages: HostilePages) -> None:
    with pytest.raises(NotFetched, match="does not answer"):
        await Fetcher(OURS).fetch(pages.url.replace("http:", "https:"), BOTH)


@pytest.mark.anyio
async def test_a_name_server_that_hangs_costs_no_more_than_the_time_of_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.2)

    async def resolve(_host: str) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    began = time.monotonic()
    with pytest.raises(NotFetched, match="too long"):
        await Fetcher(Guard((), resolve)).fetch("http://hangs.example/", BOTH)
    assert time.monotonic() - began < 30


def test_hosts_are_compared_as_they_are_fetched() -> None:
    assert host_of("HTTPS://BÜCHER.example./a") == "xn--bcher-kva.example"
    assert host_of("http://[2001:db8::1]:80/") == "2001:db8::1"
