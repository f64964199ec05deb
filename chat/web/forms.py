"""Reading forms: always as UTF-8, whatever codec the client names.

Starlette's parsers let the client name the codec of a multipart form, and some codecs take seconds for a single form.
They guess at invalid bytes. The parsers here refuse both.
"""

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio
import anyio.lowlevel
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from chat.memory import MEGABYTE
from chat.state import Request
from chat.text import UNREADABLE

MOST_BYTES = 256 * 1024  # 10,000 characters of four bytes each, percent-encoded, and room for the rest
MOST_FIELDS = 100
MOST_PICTURE_BYTES = 10 * MEGABYTE  # of a face or a logo
FILE_FIELD = "file"  # the only one that may hold files
PIECE_BYTES = 16 * 1024  # the parsers read every byte; other requests run between two pieces

logger = logging.getLogger(__name__)

_UTF_8 = frozenset({b"utf-8", b"utf8"})
# `unquote_to_bytes` takes four times as long for a form of nothing but percent signs.
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_PLAIN = frozenset({b"7bit", b"8bit", b"binary"})


async def read_form(request: Request) -> dict[str, str]:
    """Return the text fields of a form, each once, without files.

    A form that is not UTF-8 or not well formed is answered with a 400, another kind of body with a 415.
    """
    form = await _parsed(request)
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def read_files(request: Request) -> list["ReceivedFile"]:
    """Return the files of a form, without empty choices. Raises as `read_form` does; see `form_with_files`."""
    form = await _parsed(request)
    return [
        file for file in form.getlist(FILE_FIELD) if isinstance(file, ReceivedFile) and (file.filename or file.size)
    ]


@asynccontextmanager
async def form_with_files(request: Request, most_bytes: int, most_files: int) -> AsyncIterator[dict[str, str]]:
    """Read the text fields of a form that may hold files; `read_files` returns these until the block ends.

    Of a file with more than `most_bytes` the rest is read and dropped, so that the other fields are not lost, and so
    are all bytes of files after the first `most_files`.
    """
    request.state.most_of_files = most_bytes, most_files
    try:
        yield await read_form(request)
    finally:
        # An idle connection keeps its last request, and so the files' descriptors.
        form: FormData | None = getattr(request.state, "form", None)
        if form is not None:
            await form.close()


async def read_choices(request: Request, name: str) -> list[str]:
    """Return every value of a field that may repeat. Raises as `read_form` does."""
    form = await _parsed(request)
    return [value for value in form.getlist(name) if isinstance(value, str)]


def whole_number(text: str | None) -> int | None:
    """Parse a number from 1 up that the database can hold; return None for any other text."""
    if text and text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text) or None
    return None


def decoded(text: bytes | bytearray) -> str:
    """Decode UTF-8; raises a 400 for anything else.

    PostgreSQL cannot hold NUL. It becomes U+FFFD, as in HTML and in Markdown, so that the rest of the text is kept.
    """
    try:
        return text.decode("utf-8").replace("\0", UNREADABLE)
    except UnicodeDecodeError as error:
        raise HTTPException(400, "The form is not valid UTF-8.") from error


async def _parsed(request: Request) -> FormData:
    """Return the form, which is parsed only once for each request."""
    form: FormData | None = getattr(request.state, "form", None)
    if form is None:
        try:
            form = await _parse(request)
        except MultiPartException as error:
            raise HTTPException(400, error.message) from error
        _check_charset(str(form.get("_charset_", "utf-8")).encode())
        request.state.form = form
    return form


async def _parse(request: Request) -> FormData:
    kinds = request.headers.getlist("content-type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "The form is compressed.")
    if len(kinds) > 1:
        raise HTTPException(400, "The form has more than one Content-Type.")
    kind, options = parse_options_header(kinds[0] if kinds else None)
    _check_charset(options.get(b"charset", b"utf-8"))
    if kind == b"application/x-www-form-urlencoded" and _is_short(request):
        return _short_form(await request.body())
    async with aclosing(_pieces(request)) as stream:
        match kind:
            case b"multipart/form-data":
                multipart = _Multipart(request.headers, stream, *getattr(request.state, "most_of_files", (0, 0)))
                form = await multipart.parse()
                if not multipart.is_complete:
                    raise HTTPException(400, "The form has no end.")
                return form
            case b"application/x-www-form-urlencoded":
                return await _Urlencoded(request.headers, stream, max_fields=MOST_FIELDS).parse()
            case b"":
                return FormData()
    raise HTTPException(415, "That is not a form.")


def _is_short(request: Request) -> bool:
    size = whole_number(request.headers.get("content-length"))
    return size is not None and size <= PIECE_BYTES


async def _pieces(request: Request) -> AsyncGenerator[bytes, None]:
    async with aclosing(request.stream()) as stream:
        async for chunk in stream:
            for start in range(0, len(chunk), PIECE_BYTES):
                if start:
                    await anyio.lowlevel.checkpoint()
                yield chunk[start : start + PIECE_BYTES]


def _short_form(body: bytes) -> FormData:
    """Parse what `_Urlencoded` parses, without a call for each of its parts."""
    fields = [field.partition(b"=") for field in body.split(b"&") if field]
    if len(fields) > MOST_FIELDS:
        raise MultiPartException("The form has too many fields.")
    return FormData([(_decoded_part(name), _decoded_part(value)) for name, _, value in fields])


def _decoded_part(part: bytes | bytearray) -> str:
    return decoded(_ESCAPE.sub(_unescape, part.replace(b"+", b" ")))


def _check_charset(name: bytes) -> None:
    if name.strip().lower() not in _UTF_8:
        raise HTTPException(400, "The form is not UTF-8.")


def _unescape(escape: re.Match[bytes]) -> bytes:
    return bytes.fromhex(escape[1].decode())


class ReceivedFile(UploadFile):
    """A file of a form. When the disk for temporary files is full it is lost, but the rest of the form is not."""

    is_lost = False

    async def write(self, data: bytes) -> None:
        if not self.is_lost:
            try:
                await super().write(data)
            except OSError as error:
                logger.warning("There is no room for a form's file: %s", error)
                self.is_lost = True

    async def seek(self, offset: int) -> None:
        try:
            await super().seek(offset)
        except OSError as error:
            logger.warning("There is no room for a form's file: %s", error)
            self.is_lost = True


class _Urlencoded(FormParser):
    """`a=b&c=d` in UTF-8."""

    def on_field_end(self) -> None:
        self._current_fields += 1
        if self._current_fields > self.max_fields:
            raise MultiPartException("The form has too many fields.")
        self._items.append((_decoded_part(self._field_name), _decoded_part(self._field_value)))


class _Multipart(MultiPartParser):
    """Multipart fields in UTF-8 (RFC 7578, 5.1), neither encoded again (4.7) nor cut off."""

    is_complete = False
    spool_max_size = 64 * 1024  # of a file in memory

    def __init__(
        self, headers: Headers, stream: AsyncGenerator[bytes, None], most_file_bytes: int, most_files: int
    ) -> None:
        super().__init__(headers, stream, max_files=MOST_FIELDS if most_files else 0, max_fields=MOST_FIELDS)
        self._most_file_bytes, self._most_files = most_file_bytes, most_files
        self._file_bytes = 0
        self._text_bytes = 0  # of fields, and of the headers of all parts

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            self._count(end - start)
        else:
            # One byte more than allowed shows that there were too many.
            most = self._most_file_bytes + 1 if self._current_files <= self._most_files else 0
            end = min(end, start + most - self._file_bytes)
            self._file_bytes += max(end - start, 0)
        if start < end:
            super().on_part_data(data, start, end)

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        super().on_header_field(data, start, end)

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        super().on_header_value(data, start, end)

    def _count(self, size: int) -> None:
        self._text_bytes += size
        if self._text_bytes > MOST_BYTES:
            raise MultiPartException("The form has too much text.")

    def on_headers_finished(self) -> None:
        part = self._current_part
        for name, value in part.item_headers:
            if name == b"content-type":
                _check_charset(parse_options_header(value)[1].get(b"charset", b"utf-8"))
            if name == b"content-transfer-encoding" and value.strip().lower() not in _PLAIN:
                raise MultiPartException("The form is encoded twice.")
        name_in_bytes = parse_options_header(part.content_disposition)[1].get(b"name", b"")
        super().on_headers_finished()
        part.field_name = decoded(name_in_bytes)
        self._file_bytes = 0
        if part.file is not None:
            if part.field_name != FILE_FIELD:
                raise MultiPartException("A field of text is a file.")
            part.file = ReceivedFile(part.file.file, size=0, headers=part.file.headers)
            name = parse_options_header(part.content_disposition)[1].get(b"filename", b"")
            part.file.filename = name.decode(errors="replace").replace("\0", UNREADABLE).replace("%22", '"')

    def on_part_end(self) -> None:
        part = self._current_part
        if part.file is None:
            self.items.append((part.field_name, decoded(part.data)))
        else:
            super().on_part_end()

    def on_end(self) -> None:
        self.is_complete = True
