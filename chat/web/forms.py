"""Reading forms: always as UTF-8, whatever codec the client names.

Starlette's parsers let the client name the codec of a multipart form, and some codecs take seconds for a single form.
They guess at invalid bytes. The parsers here refuse both.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import anyio.lowlevel
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from chat.state import Request
from chat.text import UNREADABLE

MOST_BYTES = 256 * 1024  # 10,000 characters of four bytes each, percent-encoded, and room for the rest
MOST_FIELDS = 100
PIECE_BYTES = 16 * 1024  # the parsers read every byte; other requests run between two pieces

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
    async with aclosing(_pieces(request)) as stream:
        match kind:
            case b"multipart/form-data":
                multipart = _Multipart(request.headers, stream, max_files=0, max_fields=MOST_FIELDS)
                form = await multipart.parse()
                if not multipart.is_complete:
                    raise HTTPException(400, "The form has no end.")
                return form
            case b"application/x-www-form-urlencoded":
                return await _Urlencoded(request.headers, stream, max_fields=MOST_FIELDS).parse()
            case b"":
                return FormData()
    raise HTTPException(415, "That is not a form.")


async def _pieces(request: Request) -> AsyncGenerator[bytes, None]:
    async with aclosing(request.stream()) as stream:
        async for chunk in stream:
            for start in range(0, len(chunk), PIECE_BYTES):
                if start:
                    await anyio.lowlevel.checkpoint()
                yield chunk[start : start + PIECE_BYTES]


def _check_charset(name: bytes) -> None:
    if name.strip().lower() not in _UTF_8:
        raise HTTPException(400, "The form is not UTF-8.")


def _unescape(escape: re.Match[bytes]) -> bytes:
    return bytes.fromhex(escape[1].decode())


class _Urlencoded(FormParser):
    """`a=b&c=d` in UTF-8."""

    def on_field_end(self) -> None:
        self._current_fields += 1
        if self._current_fields > self.max_fields:
            raise MultiPartException("The form has too many fields.")
        name, value = (
            decoded(_ESCAPE.sub(_unescape, part.replace(b"+", b" "))) for part in (self._field_name, self._field_value)
        )
        self._items.append((name, value))


class _Multipart(MultiPartParser):
    """Multipart fields in UTF-8 (RFC 7578, 5.1), neither encoded again (4.7) nor cut off."""

    is_complete = False

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

    def on_part_end(self) -> None:
        part = self._current_part
        if part.file is None:
            self.items.append((part.field_name, decoded(part.data)))
        else:
            super().on_part_end()

    def on_end(self) -> None:
        self.is_complete = True
