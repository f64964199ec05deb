"""Static files: kept for ever by browsers, because their address changes with their content, and compressed once."""

import gzip
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

COMPRESSED = ("text/css", "text/javascript", "image/svg+xml")


class VersionedStaticFiles(StaticFiles):
    """Static files under an address with `?v=`; without it they are checked each time."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        versioned = scope["query_string"].startswith(b"v=")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if versioned else "no-cache"
        if not isinstance(response, FileResponse) or not (response.media_type or "").startswith(COMPRESSED):
            return response
        response.headers["Vary"] = "Accept-Encoding"
        if "gzip" not in Headers(scope=scope).get("Accept-Encoding", ""):
            return response
        content = _compressed(str(response.path), response.headers["ETag"])
        headers = {name: response.headers[name] for name in ("Cache-Control", "ETag", "Last-Modified", "Vary")}
        return Response(content, headers=headers | {"Content-Encoding": "gzip"}, media_type=response.media_type)


@lru_cache(maxsize=100)  # files of ours, half a megabyte in all
def _compressed(path: str, _etag: str) -> bytes:
    with open(path, "rb") as file:
        return gzip.compress(file.read(), compresslevel=9, mtime=0)
