"""Static files, compressed once. Browsers cache them for ever, because their address changes with their content."""

import gzip
import hashlib
import re
from functools import cache, lru_cache

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from chat.installed import ROOT

STATIC = ROOT / "static"

# In the order of the cascade: within a layer, a later sheet wins.
# fmt: off
STYLE_SHEETS = (
    "base", "icon", "avatar", "layout", "welcome", "notice", "connection", "sidebar", "popup", "badge", "room",
    "scroller", "online", "message", "reaction", "message-actions", "editor", "prose", "help", "highlighting",
    "composer", "outbox", "banner", "typing", "completions", "picker", "button", "field", "panel", "invite",
    "switcher", "confirm", "utilities",
)
# For all pages but those of a conversation, whose first load should be small.
SHEETS_OF_PAGES = (
    "card", "choice", "tabs", "find", "profile", "status", "quoted-message", "search", "list", "about", "empty-state",
    "look",
)
# fmt: on
# Loaded with the script or the message that needs them.
SHEETS_APART = ("attachments", "files", "previews")
# Files that every page needs are one response: each request costs more than its bytes.
JOINED = {
    "css/chat.css": [f"css/{name}.css" for name in STYLE_SHEETS],
    "css/pages.css": [f"css/{name}.css" for name in SHEETS_OF_PAGES],
    "vendor/htmx.js": [f"vendor/{name}.min.js" for name in ("htmx", "hx-ws", "hx-upsert")],
}

COMPRESSED = ("text/css", "text/javascript", "image/svg+xml")
# Comments would be a fifth of a first load. Lines keep their numbers, so that errors name the right place.
COMMENTS = {"css": re.compile(rb"/\*.*?\*/|^ +", re.DOTALL | re.MULTILINE), "js": re.compile(rb"^ *//.*", re.MULTILINE)}
DIGEST = re.compile(r"[0-9a-f]{12}")


@cache
def digest() -> str:
    """Return the digest of all files. It is in the path, not the query, so that relative imports of modules keep it."""
    tree = hashlib.sha256()
    for file in sorted(path for path in STATIC.rglob("*") if path.is_file()):
        tree.update(file.relative_to(STATIC).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    tree.update(repr(JOINED).encode())
    return tree.hexdigest()[:12]


def static_url(path: str) -> str:
    """Return the address under which browsers may cache a static file for ever."""
    return f"/static/{digest()}/{path}"


class VersionedStaticFiles(StaticFiles):
    """Serves static files. Under an old digest, browsers must check them each time.

    Such an address comes from a page of another version, as when several nodes are updated one by one.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        version, _, rest = path.partition("/")
        name = rest if DIGEST.fullmatch(version) else path
        response = self._joined(name, scope) if name in JOINED else await super().get_response(name, scope)
        is_current = version == digest()
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_current else "no-cache"
        if isinstance(response, NotModifiedResponse) or not (response.media_type or "").startswith(COMPRESSED):
            return response
        response.headers["Vary"] = "Accept-Encoding"
        if "gzip" not in Headers(scope=scope).get("Accept-Encoding", ""):
            return response
        kept = ("Cache-Control", "ETag", "Last-Modified", "Vary")
        headers = {name: response.headers[name] for name in kept if name in response.headers}
        content = _compressed(name, response.headers["ETag"])
        return Response(content, headers=headers | {"Content-Encoding": "gzip"}, media_type=response.media_type)

    def _joined(self, name: str, scope: Scope) -> Response:
        media_type = "text/css" if name.endswith(".css") else "text/javascript"
        response = Response(_content(name), headers={"ETag": f'"{digest()}"'}, media_type=media_type)
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


def _content(name: str) -> bytes:
    return b"\n".join((STATIC / part).read_bytes() for part in JOINED.get(name, [name]))


@lru_cache(maxsize=100)  # files of ours, half a megabyte in all
def _compressed(name: str, _etag: str) -> bytes:
    comments = COMMENTS.get(name.partition("/")[0])
    content = comments.sub(b"", _content(name)) if comments else _content(name)
    return gzip.compress(content, compresslevel=9, mtime=0)
