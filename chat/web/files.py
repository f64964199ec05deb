"""Files of messages, for the members of their rooms."""

import logging
import re
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Send

from chat.database.engine import reading
from chat.errors import NotFound
from chat.files.kinds import UNKNOWN, is_inline
from chat.files.ranges import NotSatisfiable, Range, ranges_of
from chat.files.served import Served, Version, served_file
from chat.files.store import Store, StoreUnavailable
from chat.ids import FileId
from chat.state import Request
from chat.web.middleware.session import visitor

logger = logging.getLogger(__name__)

LINK_SECONDS = 60
_VERSIONS: dict[int, Version] = {1: "thumbnail", 2: "sharp_thumbnail"}
_UNPLAIN = re.compile(r'[^ -~]|["\\%]')
# A file that a browser takes for a page runs nothing, loads nothing and belongs to no origin.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",
}


async def show_file(request: Request) -> Response:
    """Send a file. Its name in the path is for people; only its number counts."""
    me, file_id = visitor(request), FileId(request.path_params["file_id"])
    async with reading(request.state.chat.database) as connection:
        file = await served_file(connection, me, file_id)
    return await served(request, file, is_download="download" in request.query_params or not is_inline(file.kind))


async def show_thumbnail(request: Request) -> Response:
    """Send the thumbnail of a picture, for ordinary screens (1) or dense ones (2)."""
    me, file_id = visitor(request), FileId(request.path_params["file_id"])
    version = _VERSIONS.get(request.path_params["scale"])
    if version is None:
        raise NotFound
    async with reading(request.state.chat.database) as connection:
        file = await served_file(connection, me, file_id, version)
    return await served(request, file, is_download=False)


async def served(request: Request, file: Served, *, is_download: bool) -> Response:
    """Send an object, or the part of it that the request asks for."""
    etag = f'"{file.key.hex}"'
    headers = {**HEADERS, "ETag": etag, "Accept-Ranges": "none" if file.size is None else "bytes"}
    if etag in [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    headers |= {
        "Content-Disposition": _disposition(file.name, is_download=is_download),
        "Content-Type": UNKNOWN if is_download else file.kind,
    }
    sent_by_another = await _sent_by_another(request, file, headers, is_download=is_download)
    if sent_by_another is not None:
        return sent_by_another
    wanted = request.headers.get("range") if request.headers.get("if-range", etag) == etag else None
    try:
        ranges = ranges_of(wanted, file.size) if file.size is not None else []
    except NotSatisfiable:
        return Response(status_code=416, headers={**HEADERS, "Content-Range": f"bytes */{file.size}"})
    status, content = _parts(request.state.chat.uploading.store, file, ranges, headers)
    # For HEAD the server would drop the content, so the store is not asked for it.
    return _Sending(() if request.method == "HEAD" else await _begun(content), status, headers)


class _Sending(StreamingResponse):
    """A file under way. If the store fails, it ends unfinished: the server closes the connection of such an answer."""

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        except StoreUnavailable as error:
            logger.warning("A file was sent in part, because its store failed: %s", error)


async def _sent_by_another(
    request: Request, file: Served, headers: dict[str, str], *, is_download: bool
) -> Response | None:
    """Let nginx or the store itself send the object, where settings allow it."""
    settings, store = request.state.chat.settings, request.state.chat.uploading.store
    path = store.path_of(file.key)
    if settings.files_accel and path is not None:
        return Response(headers={**headers, "X-Accel-Redirect": f"{settings.files_accel}/{path}"})
    # Pages load pictures and players only from the chat itself.
    if settings.files_redirect and is_download and (link := await store.link_to(file.key, LINK_SECONDS)):
        return RedirectResponse(link, status_code=302, headers={"Cache-Control": "no-store"})
    return None


def _parts(
    store: Store, file: Served, ranges: Sequence[Range], headers: dict[str, str]
) -> tuple[int, AsyncGenerator[bytes, None]]:
    """Return the status and the content of an answer, and add its headers to `headers`."""
    if not ranges or file.size is None:
        if file.size is not None:
            headers["Content-Length"] = str(file.size)
        return 200, store.read(file.key)
    if len(ranges) == 1:
        ((start, end),) = ranges
        headers |= {"Content-Range": f"bytes {start}-{end - 1}/{file.size}", "Content-Length": str(end - start)}
        return 206, store.read(file.key, start, end)
    boundary = secrets.token_hex(16)
    heads = [_head(boundary, headers["Content-Type"], each, file.size) for each in ranges]
    tail = f"\r\n--{boundary}--\r\n".encode()
    length = sum(map(len, heads)) + sum(end - start for start, end in ranges) + len(tail)
    headers |= {"Content-Type": f"multipart/byteranges; boundary={boundary}", "Content-Length": str(length)}
    return 206, _multipart(store, file, list(zip(heads, ranges, strict=True)), tail)


async def _begun(content: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Read the first chunk, so that an object which cannot be read is an error page and no broken answer."""
    first = await anext(content, b"")

    async def whole() -> AsyncGenerator[bytes, None]:
        async with aclosing(content):
            yield first
            async for chunk in content:
                yield chunk

    return whole()


def _head(boundary: str, kind: str, part: Range, size: int) -> bytes:
    start, end = part
    return f"\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: bytes {start}-{end - 1}/{size}\r\n\r\n".encode()


async def _multipart(
    store: Store, file: Served, parts: Sequence[tuple[bytes, Range]], tail: bytes
) -> AsyncGenerator[bytes, None]:
    for head, (start, end) in parts:
        before = head
        async with aclosing(store.read(file.key, start, end)) as chunks:
            async for chunk in chunks:
                yield before + chunk
                before = b""
    yield tail


def _disposition(name: str, *, is_download: bool) -> str:
    """Return `Content-Disposition` (RFC 6266): the name in ASCII for old clients, and in UTF-8."""
    plain = _UNPLAIN.sub("_", name)
    return f"{'attachment' if is_download else 'inline'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
