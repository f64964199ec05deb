"""Addresses in texts: where they begin and end, also beside letters of scripts without spaces."""

import re
from collections.abc import Callable

from linkify_it import LinkifyIt
from linkify_it.main import Match
from markdown_it.common.normalize_url import normalizeLink

from chat.text import UNSPACED

# Letters of scripts with spaces between words, and the marks that are parts of such letters.
_SPACED = rf"[^\W_{UNSPACED}]"
_LETTER = rf"{_SPACED}|[\u0300-\u036f\u0590-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff]"
_LABEL = (
    rf"(?:(?:{_LETTER})(?:(?:{_LETTER}|[-_]){{0,61}}(?:{_LETTER}))?"
    rf"|[{UNSPACED}](?:[\w{UNSPACED}-]{{0,61}}[\w{UNSPACED}])?)"
)
_END = rf"(?::\d{{1,5}}(?!\d))?(?!{_LETTER}|@)"  # the port; an address with a user's name is no link
# A sign before a letter of a script without spaces tells that it belongs to the address: `/wiki/한국어`, not `/page를`.
_PATH = (
    rf"(?:[/?#](?:[^\s\x00-\x1f<>\"`()\[\]\\\x7f-\U0010ffff]|{_LETTER}|(?<!{_SPACED})[{UNSPACED}]"
    r"|\([^\s()<>\"`]*\)|\[[^\s\[\]<>\"`]*\])*)?"
)
_AFTER_SCHEME = re.compile(
    rf"//(?![^\s/?#,;]*@)(?:\[[0-9a-f:.]+\]|{_LABEL}(?:\.{_LABEL}){{1,20}}|{_LABEL}(?![{UNSPACED}])){_END}{_PATH}",
    re.IGNORECASE,
)
_AFTER_WWW = re.compile(rf"{_LABEL}(?:\.{_LABEL}){{1,20}}{_END}{_PATH}", re.IGNORECASE)
_HOST = re.compile(r"(?:https?:)?//(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)", re.IGNORECASE)
_SHOWN = re.compile(r"\s*(?:https?://|www\.)\S+\s*", re.IGNORECASE)
_LAST = ".,:;!?'*~|"  # signs that end a sentence or a phrase rather than an address


class Linkifier(LinkifyIt):  # type: ignore[misc]  # without types
    """Finds addresses with a scheme, and those that begin with `www.`, but not `notes.md`."""

    def __init__(self) -> None:
        """Replace the library's http addresses, which swallow Chinese text and end hosts too late."""
        schemes: dict[str, object] = {name: {"validate": _length_by(_AFTER_SCHEME)} for name in ("http:", "https:")}
        schemes["www."] = {"validate": _length_by(_AFTER_WWW), "normalize": _with_scheme}
        super().__init__(schemes, {"fuzzy_link": False, "fuzzy_email": False})

    def _compile(self) -> None:
        """Let an address also begin behind a letter of a script without spaces."""
        super()._compile()
        for name in ("schema_test", "schema_search", "schema_at_start", "pretest"):
            self.re[name] = self.re[name].replace("(?!_)(?:[", f"(?!_)(?:[{UNSPACED}", 1)


def host_of(address: str) -> str:
    """Return the host of an address, without `www.`; "" for none."""
    found = _HOST.match(address)
    return found[1].lower().removeprefix("www.") if found else ""


def is_disguised(words: str, address: str) -> bool:
    """Tell whether a link's words are the address of another host than the link leads to."""
    if not _SHOWN.fullmatch(words):
        return False
    words = words.strip()
    return host_of(normalizeLink(words if "://" in words else f"http://{words}")) != host_of(address)


def _length_by(pattern: re.Pattern[str]) -> Callable[[object, str, int], int]:
    def length(_: object, text: str, start: int) -> int:
        found = pattern.match(text, start)
        return len(found[0].rstrip(_LAST)) if found else 0

    return length


def _with_scheme(_: object, match: Match) -> None:
    match.url = f"http://{match.url}"
