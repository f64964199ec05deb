"""Reads the metadata of a page, in a process of its own that the kernel ends when it takes too much time or memory.

`python -m chat.fetching.page_worker ADDRESS CHARSET` reads a page from its input, and writes a line of JSON.
"""

import codecs
import json
import os
import re
import resource
import sys
from html.parser import HTMLParser
from typing import TypedDict
from urllib.parse import urljoin, urlsplit

from chat.text import single_line

MOST_MEMORY = 256 * 2**20
CPU_SECONDS = 2
NICENESS = 5
LONGEST_TITLE, LONGEST_DESCRIPTION, LONGEST_SITE = 200, 300, 60
LONGEST_ADDRESS = 2000
_READ = 5000  # letters of each value, before it is cleaned
_DECLARED = re.compile(rb"<meta[^>]{1,200}?charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_DECLARED_WITHIN = 1024  # bytes (HTML, 4.2.5.4)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Browsers read these labels of charsets as other charsets (Encoding Standard, 4.2).
_MEANT = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252", "gb2312": "gb18030"}


class Page(TypedDict):
    """The metadata of a page; "" for a value that is missing. `picture` is an address."""

    site: str
    title: str
    description: str
    picture: str


def main() -> None:
    """Read the page in the input."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    address, charset = sys.argv[1:]
    print(json.dumps(read(sys.stdin.buffer.read(), charset, address)))  # noqa: T201  its output


def read(content: bytes, charset: str, address: str) -> Page:
    """Return the metadata of a page at an address. `charset` is the one its server names, or ""."""
    found = _Head()
    try:
        found.feed(_text(content, charset))
        found.close()
    except _HeadEnds:
        pass
    said = found.said
    picture = _first(said, "og:image:secure_url", "og:image", "og:image:url", "twitter:image", "twitter:image:src")
    return {
        "site": _cut(_first(said, "og:site_name", "application-name"), LONGEST_SITE),
        "title": _cut(_first(said, "og:title", "twitter:title") or found.title, LONGEST_TITLE),
        "description": _cut(_first(said, "og:description", "twitter:description", "description"), LONGEST_DESCRIPTION),
        "picture": _address(picture, address),
    }


class _HeadEnds(Exception):
    """The rest of the page has no metadata."""


class _Head(HTMLParser):
    """Collects the title and the meta elements of a page's head."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, str] = {}
        self.title = ""
        self._is_in_title = self._has_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            raise _HeadEnds
        if tag == "meta":
            values = dict(attrs)
            name = (values.get("property") or values.get("name") or "").strip().lower()
            content = (values.get("content") or "")[:_READ]
            if name and content.strip():
                self.said.setdefault(name, content)
        self._is_in_title = tag == "title" and not self._has_title

    def handle_endtag(self, tag: str) -> None:
        if tag == "head":
            raise _HeadEnds
        if tag == "title":
            self._has_title, self._is_in_title = True, False

    def handle_data(self, data: str) -> None:
        if self._is_in_title and len(self.title) < _READ:
            self.title += data[:_READ]


def _text(content: bytes, charset: str) -> str:
    for mark, meant in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(meant, "replace")
    declared = _DECLARED.search(content[:_DECLARED_WITHIN])
    name = (charset or (declared[1].decode() if declared else "")).lower()
    try:
        return content.decode(_MEANT.get(name, name) or "utf-8", "replace")
    except (LookupError, ValueError):
        return content.decode(errors="replace")


def _first(said: dict[str, str], *names: str) -> str:
    return next((said[name] for name in names if name in said), "")


def _cut(text: str, longest: int) -> str:
    """Return a text in one line, without characters that are invisible or turn the line around."""
    line = single_line(text[:_READ])
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def _address(said: str, base: str) -> str:
    try:
        address = urljoin(base, said.strip()) if said else ""
        is_address = urlsplit(address).scheme in ("http", "https") and len(address) <= LONGEST_ADDRESS
    except ValueError:
        return ""
    return address if is_address else ""


if __name__ == "__main__":
    main()
