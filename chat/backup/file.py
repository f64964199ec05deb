"""A backup file, which may be forged: its manifest, and its tables line by line.

Nothing in it is trusted, and no large part is held in memory: a forged zip of 400 kB can unpack to a gigabyte, name
PostgreSQL's own tables, or list a million parts.
"""

import errno
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from chat.database.migrate import revisions
from chat.errors import CannotRun
from chat.memory import MEGABYTE
from chat.models import metadata

FORMAT = 1
MANIFEST = "manifest.json"
OBJECTS = "objects"  # the files of messages; absent when they were left out
# Messages unpack to five or ten times their packed size.
PACKED_AT_MOST = 30
ALWAYS_ALLOWED = 100 * MEGABYTE
LONGEST_LINE = 4 * MEGABYTE
STANDARD_STREAM = "-"  # in place of a file
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EISDIR)

# Backups leave out tables that the chat can rebuild.
TABLES = {table.name: table for table in metadata.sorted_tables if not table.info.get("derived")}

_ENCRYPTED = 0x1  # PKWARE's APPNOTE, 4.4.4
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,  # a compression that Python does not know
    RecursionError,  # deeply nested JSON
    EOFError,
    KeyError,
    ValueError,
)


class BackupError(CannotRun):
    """A backup cannot be made or restored; the text is one line that says why. Nothing has changed."""


@dataclass(frozen=True, slots=True)
class Contents:
    """A table's entry in the manifest."""

    columns: list[str]
    rows: int


class _BoundedFile(io.FileIO):
    """A file whose reads have a limit, because zipfile reads the list of contents at once, however long."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > MEGABYTE:
            raise zipfile.BadZipFile("its list of contents is too long")
        return super().read(size) or b""


class BackupFile:
    """An open backup: the revision of its tables, their names, and their lines."""

    def __init__(self, file: Path, *, any_size: bool = False) -> None:
        """Open a file; raises `BackupError` if it is no backup, damaged, newer than this version, or too large."""
        self.name = str(file)
        with ExitStack() as unfinished:
            try:
                self._file = unfinished.enter_context(_BoundedFile(file))
                self._archive = zipfile.ZipFile(self._file)
                self._check_parts(any_size=any_size)
                self.revision, self.tables = _manifest(self._archive, self.name)
                if {part.filename for part in self._archive.infolist()} - {MANIFEST, OBJECTS, *self.tables}:
                    raise ValueError("it holds something that is no table")
            except OSError as error:
                raise BackupError(f"{file} cannot be read: {error.strerror}") from error
            except _UNREADABLE as error:
                raise BackupError(f"{file} is not a complete backup: {error}") from error
            unfinished.pop_all()

    def lines(self, table: str) -> Iterator[bytes]:
        """Yield the lines of a table, as many as the manifest says; raises `BackupError` if it is damaged."""
        found = 0
        try:
            with self._archive.open(table) as part:
                reader = io.BufferedReader(part, 64 * 1024)  # type: ignore[type-var]  # a ZipExtFile reads enough
                while line := reader.readline(LONGEST_LINE):
                    if not line.endswith(b"\n"):
                        raise ValueError(f"a line of {table} is too long or broken off")
                    found += 1
                    yield line[:-1]
        except OSError as error:
            raise BackupError(f"{self.name} cannot be read: {error.strerror}") from error
        except _UNREADABLE as error:
            raise BackupError(f"{self.name} is damaged: {error}") from error
        if found != self.tables[table].rows:
            raise BackupError(f"{self.name} is damaged: {table} has {found} rows")

    @contextmanager
    def objects(self) -> Iterator[IO[bytes]]:
        """Open the part with the files of messages; raises `BackupError` if it is damaged."""
        try:
            if OBJECTS in self._archive.namelist():
                with self._archive.open(OBJECTS) as part:
                    yield part
            else:
                yield io.BytesIO()
        except _UNREADABLE as error:
            raise BackupError(f"{self.name} is damaged: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._archive.close()
        self._file.close()

    def _check_parts(self, *, any_size: bool) -> None:
        parts = self._archive.infolist()
        if len({part.filename for part in parts}) < len(parts):
            raise ValueError("it holds the same name twice")
        if any(part.flag_bits & _ENCRYPTED for part in parts):
            raise ValueError("it is encrypted")
        if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
            raise ValueError("it is not packed as our backups are")
        # zipfile unpacks no more of a part than its size here.
        unpacked = sum(part.file_size for part in parts)
        allowed = ALWAYS_ALLOWED + PACKED_AT_MOST * os.fstat(self._file.fileno()).st_size
        if unpacked > allowed and not any_size:
            raise BackupError(
                f"{self.name} would unpack to {unpacked // MEGABYTE:,} MB, which is too much for its size: "
                "use --any-size if you know who made it"
            )


def _manifest(archive: zipfile.ZipFile, name: str) -> tuple[str, dict[str, Contents]]:
    """Return the revision of the tables in a backup, and the entry of each; the messages last."""
    if archive.getinfo(MANIFEST).file_size > MEGABYTE:
        raise ValueError("its manifest is too long")
    manifest = json.loads(archive.read(MANIFEST))
    if not isinstance(manifest, dict) or not isinstance(manifest.get("tables"), dict):
        raise ValueError("its manifest is not one of ours")
    revision = manifest.get("revision")
    if manifest.get("format") != FORMAT or not isinstance(revision, str) or revision not in revisions():
        raise BackupError(f"{name} was made by a newer version of simplechat: update this one first")
    if unknown := sorted(manifest["tables"].keys() - TABLES.keys()):
        raise ValueError(f"it holds a table that is not the chat's: {unknown[0][:63]!r}")
    tables = {table: _contents(table, manifest["tables"][table]) for table in TABLES if table in manifest["tables"]}
    return revision, tables


def _contents(table: str, said: object) -> Contents:
    match said:
        case {"columns": [_, *_] as columns, "rows": int(rows)} if rows >= 0:
            if all(isinstance(column, str) for column in columns) and len(set(columns)) == len(columns):
                return Contents(columns, rows)
    raise ValueError(f"its manifest does not describe {table}")
