"""The files of a message: attaching them to it, and how it shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict
from urllib.parse import quote

from sqlalchemy import ARRAY, BigInteger, Integer, Text, bindparam, literal_column, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Visitor
from chat.errors import InvalidInput
from chat.files.kinds import Sort, sort_of
from chat.files.names import shown_size
from chat.files.prepared import THUMBNAIL
from chat.files.uploading import Uploading
from chat.files.uploads import Upload
from chat.ids import FileId, MessageId
from chat.models import files
from chat.settings import FileLimits

LONGEST_ALT = 1000
WEIGHS = 1500  # bytes: the markup and values of a file, roughly


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file of a message, as it is shown."""

    id: FileId
    name: str
    bytes: int
    kind: str
    width: int | None
    height: int | None
    colour: str | None
    alt: str
    is_animated: bool
    has_thumbnail: bool

    @property
    def sort(self) -> Sort:
        return sort_of(self.kind, self.width)

    @property
    def has_description(self) -> bool:
        """Whether its author can describe it for readers who do not see or hear it."""
        return self.sort in ("picture", "audio", "video")

    @property
    def size(self) -> str:
        """Its size, as people read it."""
        return shown_size(self.bytes)

    @property
    def shown_width(self) -> int:
        """The width of its thumbnail, in CSS pixels."""
        return self._shown[0]

    @property
    def shown_height(self) -> int:
        """The height of its thumbnail."""
        return self._shown[1]

    @property
    def _shown(self) -> tuple[int, int]:
        width, height = self.width or 1, self.height or 1
        scale = min(1, THUMBNAIL / max(width, height))
        # Half a pixel is rounded up, as in the thumbnail: the message must not grow when that has loaded.
        return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))

    @property
    def path(self) -> str:
        return f"/files/{self.id}/{quote(self.name, safe='')}"


class _Stored(TypedDict):
    """A file as PostgreSQL returns it."""

    id: FileId
    name: str
    bytes: int
    kind: str
    width: int | None
    height: int | None
    colour: str | None
    alt: str
    is_animated: bool
    has_thumbnail: bool


# Beside `messages`; most messages need no look-up.
_FILES = """
    CASE WHEN messages.file_count > 0 THEN (
        SELECT jsonb_agg(jsonb_build_object('id', file.id, 'name', file.name, 'bytes', file.bytes, 'kind', file.kind,
            'width', file.width, 'height', file.height, 'colour', file.colour, 'alt', file.alt,
            'is_animated', file.is_animated, 'has_thumbnail', file.thumbnail IS NOT NULL)
            ORDER BY file.place)
        FROM files AS file WHERE file.message_id = messages.id
    ) END
"""
FILES = literal_column(_FILES, JSONB).label("files")

# Takes only complete uploads by the message's author, to its room, that have no message yet.
_ATTACH = text("""
    WITH asked AS (
        SELECT * FROM unnest(:message_ids, :file_ids, :places, :alts) AS asked (message_id, file_id, place, alt)
    ), attached AS (
        UPDATE files SET message_id = asked.message_id, place = asked.place, alt = asked.alt
        FROM asked JOIN messages ON messages.id = asked.message_id
        WHERE files.id = file_id AND files.message_id IS NULL AND finished_at IS NOT NULL
          AND files.author_id = messages.author_id AND files.room_id = messages.room_id
        RETURNING asked.message_id
    ), counted AS (
        UPDATE messages SET file_count = number
        FROM (SELECT message_id, count(*) AS number FROM attached GROUP BY message_id) AS found
        WHERE messages.id = found.message_id
    )
    SELECT count(*) FROM attached
""").bindparams(
    bindparam("message_ids", type_=ARRAY(BigInteger)),
    bindparam("file_ids", type_=ARRAY(BigInteger)),
    bindparam("places", type_=ARRAY(Integer)),
    bindparam("alts", type_=ARRAY(Text)),
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """An upload that its author sends with a message, and its description for readers who do not see it."""

    id: FileId
    alt: str = ""


class NotAttached(Exception):
    """After the check, a file was attached to another message, or removed."""


def attachments_from(stored: Sequence[_Stored] | None) -> tuple[Attachment, ...]:
    """Return the files in a row of `select_messages`."""
    return tuple(Attachment(**each) for each in stored or ())


def files_gone() -> InvalidInput:
    """Return the error for a file that cannot be attached any more."""
    return InvalidInput(files="A file is not there any more. Choose it again.")


def too_many_files(limits: FileLimits) -> InvalidInput:
    """Return the error for a message with more files than it may have."""
    return InvalidInput(files=f"A message may have at most {limits.most_files} files.")


async def complete_uploads(uploading: Uploading, author: Visitor, uploads: Sequence[Upload]) -> None:
    """Finish the uploads of a message before it is posted; raises `InvalidInput` for an incomplete upload."""
    if len(uploads) > uploading.limits.most_files:
        raise too_many_files(uploading.limits)
    for upload in uploads:
        if upload.received < upload.size:
            raise InvalidInput(files=f"“{upload.name}” has not arrived completely.")
        await uploading.finish(author, upload)


async def attach(connection: AsyncConnection, chosen: Mapping[MessageId, Sequence[Chosen]]) -> None:
    """Give new messages their files, in the transaction that posts them; raises `NotAttached`."""
    each = [(message_id, file, place) for message_id in chosen for place, file in enumerate(chosen[message_id], 1)]
    values = {
        "message_ids": [message_id for message_id, _, _ in each],
        "file_ids": [file.id for _, file, _ in each],
        "places": [place for _, _, place in each],
        "alts": [file.alt for _, file, _ in each],
    }
    if (await connection.execute(_ATTACH, values)).scalar_one() != len(each):
        raise NotAttached


async def describe(connection: AsyncConnection, message_id: MessageId, alts: Mapping[FileId, str]) -> None:
    """Give files of a message other descriptions."""
    is_it = (files.c.id == bindparam("file_id")) & (files.c.message_id == message_id)
    described = update(files).where(is_it).values(alt=bindparam("description"))
    await connection.execute(described, [{"file_id": each, "description": alt} for each, alt in alts.items()])
