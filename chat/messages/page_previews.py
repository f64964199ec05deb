"""Previews of pages of the internet: fetched once for all messages that link to a page within an hour."""

import logging
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat.crash import crash_point
from chat.database.engine import reading
from chat.fetching.fetch import PAGES, PICTURES, Fetched, Fetcher, host_of
from chat.fetching.guard import NotFetched
from chat.fetching.page_worker import LONGEST_TITLE, Page
from chat.fetching.pages import Pages
from chat.files.pictures import Pictures
from chat.files.store import Store, StoreUnavailable
from chat.files.uploads import keep_objects, promise_object
from chat.link_tables import link_previews, message_links
from chat.memory import MEGABYTE
from chat.messages.shown_links import PreviewId
from chat.text import single_line
from chat.turns import Turns

FRESH, FAILED = timedelta(hours=1), timedelta(minutes=10)  # how long a preview, or a failure, serves further messages
KEPT = timedelta(minutes=10)  # after that, for a message that was about to refer to it
MOST_A_MINUTE = 20  # pages of one host
MOST_PICTURE_BYTES = MEGABYTE  # of a thumbnail
AT_ONCE = 100

logger = logging.getLogger(__name__)


class TooBusy(Exception):
    """Too many pages of the host were fetched in the last minute."""


class PagePreviews:
    """Fetches previews: from each host one page at a time, and 20 a minute by all processes together."""

    def __init__(self, database: AsyncEngine, store: Store, fetcher: Fetcher) -> None:
        self._database, self._store, self._fetcher = database, store, fetcher
        self._pages, self._pictures = Pages(), Pictures()
        self._turns: Turns[str] = Turns()
        self.fetched: Counter[str] = Counter()  # by outcome, since the start

    async def of(self, address: str) -> PreviewId | None:
        """Return the preview of a page; None if the page shows nothing. Raises `TooBusy`."""
        try:
            host = host_of(address)
        except NotFetched:
            return None
        async with self._turns.of(host):
            async with reading(self._database) as connection:
                known = await _fresh(connection, address)
                if known is None and await _lately(connection, host) >= MOST_A_MINUTE:
                    raise TooBusy
            if known is None:
                known = await self._add(address, host)
        return None if known.failure else known.id

    async def _add(self, address: str, host: str) -> "_Known":
        values = await self._values(address)
        crash_point("after_fetch")
        lifetime = FAILED if "failure" in values else FRESH
        added = insert(link_previews).values(address=address, host=host, expires_at=func.now() + lifetime, **values)
        returning = added.returning(link_previews.c.id, link_previews.c.failure)
        async with self._database.begin() as connection:
            row = (await connection.execute(returning)).one()
            if isinstance(key := values.get("picture"), UUID):
                await keep_objects(connection, [key])
        self.fetched["failed" if row.failure else "shown"] += 1
        return _Known(row.id, row.failure)

    async def _values(self, address: str) -> dict[str, object]:
        try:
            fetched = await self._fetcher.fetch(address, PAGES | PICTURES)
            if fetched.kind in PICTURES:
                name = single_line(unquote(urlsplit(fetched.address).path.rpartition("/")[2]))[:LONGEST_TITLE]
                picture = await self._picture(fetched)
                return {"title": name or "Picture", **picture} if picture else {"failure": "it is no picture"}
            page = await self._pages.read(fetched)
            if not page["title"]:
                return {"failure": "it has no title"}
            return {**_words(page), **await self._picture_of(page)}
        except NotFetched as error:
            logger.info("A link shows no preview: %s", error)
            return {"failure": str(error)[:200]}

    async def _picture_of(self, page: Page) -> dict[str, object]:
        try:
            return await self._picture(await self._fetcher.fetch(page["picture"], PICTURES)) if page["picture"] else {}
        except NotFetched as error:
            logger.info("The picture of a link is not shown: %s", error)
            return {}

    async def _picture(self, fetched: Fetched) -> dict[str, object]:
        """Return the values of a picture's thumbnail, which is in the store; none if it cannot be shown."""
        parts = _Parts()

        async def content() -> AsyncIterator[bytes]:
            yield fetched.content

        picture = await self._pictures.prepared(content(), parts.put)
        if picture is None or not (thumbnail := parts.thumbnail):
            return {}
        key = uuid4()
        async with self._database.begin() as connection:
            await promise_object(connection, key)
        try:
            await self._store.put(key, _only(thumbnail))
        except StoreUnavailable as error:
            logger.warning("The picture of a link could not be stored: %s", error)
            return {}
        kind = "image/webp" if len(parts.found) > 1 else picture.kind
        return {"picture": key, "picture_kind": kind, "width": picture.width, "height": picture.height}


async def delete_unused(database: AsyncEngine) -> None:
    """Delete previews that no message refers to any more, and so their pictures."""
    referred = exists().where(message_links.c.preview_id == link_previews.c.id)
    unused = (link_previews.c.expires_at < func.now() - KEPT) & ~referred
    some = select(link_previews.c.id).where(unused).limit(AT_ONCE).with_for_update(skip_locked=True)
    deleted = AT_ONCE
    while deleted == AT_ONCE:
        async with database.begin() as connection:
            gone = await connection.execute(delete(link_previews).where(link_previews.c.id.in_(some)))
        deleted = gone.rowcount


@dataclass(frozen=True, slots=True)
class _Known:
    """A page that has been fetched."""

    id: PreviewId
    failure: str | None


class _Parts:
    """The parts of a picture that has been prepared: itself, and two thumbnails if it is larger than they are."""

    def __init__(self) -> None:
        self.found: list[bytes] = []

    async def put(self, part: AsyncIterable[bytes]) -> UUID:
        content, size = bytearray(), 0
        async for chunk in part:
            size += len(chunk)
            if size <= MOST_PICTURE_BYTES:
                content += chunk
        self.found.append(bytes(content) if size <= MOST_PICTURE_BYTES else b"")
        return uuid4()

    @property
    def thumbnail(self) -> bytes:
        """The smallest part; empty if it is too large."""
        return self.found[1] if len(self.found) > 1 else self.found[0]


async def _only(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _words(page: Page) -> dict[str, object]:
    return {"site": page["site"], "title": page["title"], "description": page["description"]}


async def _fresh(connection: AsyncConnection, address: str) -> _Known | None:
    statement = (
        select(link_previews.c.id, link_previews.c.failure)
        .where(link_previews.c.address == address, link_previews.c.expires_at > func.now())
        .order_by(link_previews.c.expires_at.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).one_or_none()
    return _Known(row.id, row.failure) if row else None


async def _lately(connection: AsyncConnection, host: str) -> int:
    minute = link_previews.c.fetched_at > func.now() - timedelta(minutes=1)
    statement = select(func.count()).select_from(link_previews).where(link_previews.c.host == host, minute)
    return int((await connection.execute(statement)).scalar_one())
