"""The type of a file, decided from its content. Its name is only shown."""

from typing import Literal

HEAD_BYTES = 4096
UNKNOWN = "application/octet-stream"

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)
# The brand of an ISO media file (ISO/IEC 14496-12, 4.3).
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
}
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}

Sort = Literal["picture", "audio", "video", "other"]
# Browsers may show these within a page: none of them can hold a script.
_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
_PLAYERS: dict[str, Sort] = {
    "audio/mpeg": "audio",
    "audio/flac": "audio",
    "audio/ogg": "audio",
    "audio/mp4": "audio",
    "audio/wav": "audio",
    "video/webm": "video",
    "video/mp4": "video",
    "video/quicktime": "video",
}


def kind_of(head: bytes) -> str:
    """Return the media type of a file that begins like this."""
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], UNKNOWN)
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    return "text/plain" if _is_text(head) else UNKNOWN


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) < HEAD_BYTES:
            return False
        text = head[: error.start].decode()
    return all(letter.isprintable() or letter in "\t\n\r\f" for letter in text)


def sort_of(kind: str, width: int | None) -> Sort:
    """Return how a file is shown. A picture without a width is damaged, and is shown as a file."""
    if kind in _INLINE:
        return "picture" if width else "other"
    return _PLAYERS.get(kind, "other")


def is_inline(kind: str) -> bool:
    """Tell whether a browser may show a file of this type in a page."""
    return kind in _INLINE or kind in _PLAYERS


def is_allowed(kind: str, types: tuple[str, ...]) -> bool:
    """Tell whether the chat takes files of a type; without `types` it takes all."""
    return not types or kind in types or f"{kind.partition('/')[0]}/*" in types
