"""Removes a picture's metadata: place, time, owner, and the further pictures and films that phones add.

The picture itself is copied byte for byte, with its colour profile. Bytes after its end are dropped. These functions
run in the worker process (`chat.files.picture_worker`); they raise `ValueError` for a file that is cut off or damaged.
"""

import re
import struct
from collections.abc import Callable, Iterator

# JPEG (ITU-T T.81, B.1): a marker ends the compressed data unless it is stuffing or a restart. The fill bytes before it
# pass as data: to match them, too, takes time that grows with the square of their number.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_START, _END, _SCAN, _COMMENT, _APP0, _APP2, _APP14, _APP15 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE0, 0xE2, 0xEE, 0xEF
# PNG, third edition, 11: chunks that change how the picture looks.
_PNG_CHUNKS = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD pHYs acTL fcTL fdAT".split()
)
_WEBP_CHUNKS = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_WEBP_EXIF_AND_XMP = 0b1100


def _jpeg(data: bytes) -> Iterator[bytes]:
    if data[:2] != b"\xff\xd8":
        raise ValueError("it does not begin as a JPEG")
    yield data[:2]
    at = 2
    while match := _MARKER.search(data, at):
        # Compressed data, which only follows a scan's header.
        yield data[at : match.start()]
        marker = match[1][0]
        if marker == _END:
            yield b"\xff\xd9"
            return
        begin, at = match.start(), match.end() + struct.unpack_from("!H", data, match.end())[0]
        segment = data[begin:at]
        if _is_needed(marker, data[match.end() + 2 : match.end() + 14]):
            yield segment
    raise ValueError("it has no end")


def _is_needed(marker: int, beginning: bytes) -> bool:
    if marker == _APP2:
        return beginning == b"ICC_PROFILE\0"
    return marker in (_APP0, _APP14) or not (_APP0 <= marker <= _APP15 or marker == _COMMENT)


def _png(data: bytes) -> Iterator[bytes]:
    yield data[:8]
    at = 8
    while at < len(data):
        length, name = struct.unpack_from("!I4s", data, at)
        if name in _PNG_CHUNKS:
            yield data[at : at + length + 12]
        if name == b"IEND":
            return
        at += length + 12
    raise ValueError("it has no end")


def _webp(data: bytes) -> Iterator[bytes]:
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    chunks, at = [], 12
    while at < end:
        name, length = struct.unpack_from("<4sI", data, at)
        following = at + 8 + length + length % 2
        chunk = data[at:following]
        if name == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~_WEBP_EXIF_AND_XMP]) + chunk[9:]
        if name in _WEBP_CHUNKS:
            chunks.append(chunk)
        at = following
    yield b"RIFF" + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WEBP"
    yield from chunks


_PARTS: dict[str, Callable[[bytes], Iterator[bytes]]] = {"image/jpeg": _jpeg, "image/png": _png, "image/webp": _webp}


def without_metadata(data: bytes, kind: str) -> bytes:
    """Return a picture without its metadata; one of another type as it is. Raises `ValueError`."""
    parts = _PARTS.get(kind)
    try:
        return b"".join(parts(data)) if parts else data
    except (struct.error, IndexError) as error:
        raise ValueError("it is cut off") from error
