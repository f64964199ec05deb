"""Fetches pages and pictures from servers that nobody trusts: without cookies, within limits of time and bytes."""

import asyncio
import re
import ssl
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, urljoin, urlsplit

import certifi
import httpcore
from anyio.to_thread import run_sync

from chat import __version__
from chat.fetching.connecting import GuardedBackend
from chat.fetching.guard import Guard, NotFetched
from chat.memory import KILOBYTE, MEGABYTE

SECONDS = 5.0  # in all: names, connections, redirects and the content
MOST_REDIRECTS = 5
MOST_PAGE_BYTES = 512 * KILOBYTE  # what comes behind is left out: a page's head is at its beginning
MOST_PICTURE_BYTES = 5 * MEGABYTE  # half a picture is none
MOST_SENT_BYTES = 2 * MOST_PICTURE_BYTES  # compressed or not, with the lengths of chunks
MOST_CHUNKS = 10_000  # each costs 0.1 ms; a picture of ordinary chunks has a thousand
LONGEST_ADDRESS = 2000
USER_AGENT = f"simplechat/{__version__} (previews of links)"
PAGES = frozenset({"text/html", "application/xhtml+xml"})
PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"})

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_KEPT = "%/:=&?~#+!$,;'@()*[]|"  # signs of an address that are not quoted (again)
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page or picture: its address after redirects, its media type, and the charset that its server names, or ""."""

    address: str
    kind: str
    charset: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    """An address taken apart once, so that the check and the connection mean the same host."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def url(self) -> httpcore.URL:
        return httpcore.URL(scheme=self.scheme, host=self.host, port=self.port, target=self.target)


class Fetcher:
    """Fetches pages and pictures from addresses that its guard lets through."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def fetch(self, address: str, kinds: Collection[str]) -> Fetched:
        """Return the page or picture at an address, if it is of one of these media types; raises `NotFetched`."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._follow(_place_of(address), kinds)
        except TimeoutError as error:
            raise NotFetched("it takes too long") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise NotFetched(f"it does not answer: {str(error)[:200] or type(error).__name__}") from error

    async def _follow(self, place: _Place, kinds: Collection[str]) -> Fetched:
        context, backend = await run_sync(_tls), GuardedBackend(self._guard)
        # Nothing is kept between requests: no connection, no cookie.
        async with httpcore.AsyncConnectionPool(
            context, max_connections=1, max_keepalive_connections=0, network_backend=backend
        ) as pool:
            for _ in range(MOST_REDIRECTS + 1):
                async with pool.stream("GET", place.url, headers=_headers(place, kinds)) as response:
                    if response.status not in _REDIRECTS:
                        backend.left += MOST_SENT_BYTES
                        return await _read(response, place, kinds)
                    location = dict(_fields(response)).get("location", "")
                place = _place_of(location, place.address)
        raise NotFetched("it redirects too often")


def host_of(address: str) -> str:
    """Return the host that an address is fetched from; raises `NotFetched`."""
    return _place_of(address).host


def _place_of(address: str, base: str = "") -> _Place:
    wrong = NotFetched("it is not the address of a page")
    if len(address) > LONGEST_ADDRESS:
        raise wrong
    try:
        parts = urlsplit(urljoin(base, address.strip()))
        port = parts.port or _PORTS[parts.scheme]
        host = parts.hostname or ""
        host = host if ":" in host else host.rstrip(".").encode("idna").decode().lower()
        query = f"?{quote(parts.query, _KEPT)}" if parts.query else ""
        target = quote(parts.path or "/", _KEPT) + query
    except (ValueError, KeyError) as error:  # also for half a surrogate pair
        raise wrong from error
    if "@" in parts.netloc or not (":" in host or _HOST.fullmatch(host)):
        raise wrong
    return _Place(parts.scheme, host, port, target)


def _headers(place: _Place, kinds: Collection[str]) -> list[tuple[str, str]]:
    return [
        ("Host", place.authority),
        ("User-Agent", USER_AGENT),
        ("Accept", ", ".join(sorted(kinds))),
        ("Accept-Language", "en, *;q=0.5"),
        ("Accept-Encoding", "gzip"),
    ]


def _fields(response: httpcore.Response) -> Iterable[tuple[str, str]]:
    return ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers)


async def _read(response: httpcore.Response, place: _Place, kinds: Collection[str]) -> Fetched:
    if response.status != 200:
        raise NotFetched(f"it answers {response.status}")
    fields = dict(_fields(response))
    said = fields.get("content-type", "")
    kind, charset = said.partition(";")[0].strip().lower(), _CHARSET.search(said)
    if kind not in kinds:
        raise NotFetched("it is neither a page nor a picture")
    is_page = kind in PAGES
    most = MOST_PAGE_BYTES if is_page else MOST_PICTURE_BYTES
    content = bytearray()
    chunks = _counted(response.aiter_stream())
    async for chunk in _decoded(chunks, fields.get("content-encoding", ""), most + 1):
        content += chunk
        if len(content) > most:
            if not is_page:
                raise NotFetched("it is too large")
            break
    return Fetched(place.address, kind, charset[1] if charset else "", bytes(content[:most]))


async def _counted(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    number = 0
    async for chunk in chunks:
        number += 1
        if number > MOST_CHUNKS:
            raise NotFetched("it comes in too many pieces")
        yield chunk


async def _decoded(chunks: AsyncIterator[bytes], encoding: str, most: int) -> AsyncIterator[bytes]:
    """Yield content uncompressed, `most` bytes for a chunk, however much it would become."""
    match encoding.strip().lower():
        case "" | "identity":
            async for chunk in chunks:
                yield chunk
        case "gzip" | "x-gzip":
            decompressor = zlib.decompressobj(wbits=31)
            try:
                async for chunk in chunks:
                    yield decompressor.decompress(chunk, most)
                    if decompressor.eof:
                        return
            except zlib.error as error:
                raise NotFetched("it is damaged") from error
        case _:
            raise NotFetched("it is compressed in a way that was not asked for")


@cache
def _tls() -> ssl.SSLContext:
    """Load the certificates of this machine and of browsers, which takes 40 ms."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
