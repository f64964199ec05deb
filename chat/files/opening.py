"""Opening the store that `FILES_URL` names."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from chat.errors import CannotRun
from chat.files.folder import Folder
from chat.files.store import Store
from chat.installed import has_extra, how_to_install


def open_store(url: str) -> Store:
    """Open the store at `FILES_URL`; raises `CannotRun` for a URL that names none."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return Folder(Path(parts.path if parts.scheme else url))
    if parts.scheme == "s3" and parts.netloc:
        if not has_extra("s3"):
            install = how_to_install("s3")
            raise CannotRun(f"FILES_URL is the address of a bucket, whose library is not installed. Run: {install}")
        from chat.files.bucket import Bucket  # noqa: PLC0415  a chat that keeps its files in a folder needs no client

        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return Bucket(parts.netloc, parts.path.strip("/"), options)
    raise CannotRun("FILES_URL must be a folder, or a URL such as s3://bucket/prefix?endpoint=https://s3.example.org")
