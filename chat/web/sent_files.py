"""The files that a form sends with a message: uploads that are there already, and files within the form itself."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid5

from chat.accounts.person import Visitor
from chat.database.engine import reading
from chat.errors import Forbidden, InvalidInput, NotFound
from chat.files.attachment import LONGEST_ALT, Chosen, files_gone, too_many_files
from chat.files.store import StoreFull, StoreUnavailable
from chat.files.uploads import Announced, Upload, too_large, uploads_of
from chat.ids import FileId, RoomId
from chat.rooms.room import room_of_member
from chat.state import Request
from chat.text import single_line
from chat.throttling.rules import UPLOAD
from chat.web.errors import DISK_FULL, STORE_AWAY
from chat.web.forms import MOST_BYTES, ReceivedFile, read_choices, read_files, whole_number
from chat.web.middleware.throttling import throttle

CHUNK_BYTES = 64 * 1024

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SentFiles:
    """The uploads of a form, and the reason why others were refused."""

    uploads: Sequence[Upload]
    alts: Sequence[str]
    error: str

    @property
    def chosen(self) -> list[Chosen]:
        return [Chosen(upload.id, alt) for upload, alt in zip(self.uploads, self.alts, strict=True)]

    def check(self) -> None:
        """Raise `InvalidInput` for `files` if some could not be received."""
        if self.error:
            raise InvalidInput(files=self.error)


NO_FILES = SentFiles((), (), "")


@asynccontextmanager
async def turn_to_send(request: Request, author: Visitor, room_id: RoomId) -> AsyncIterator[None]:
    """Let a person send one large form at a time, because its files take space on the disk.

    Raises `NotFound` for a form to a room of others, before it is received.
    """
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) <= MOST_BYTES:
        yield
        return
    async with reading(request.state.chat.database) as connection:
        await room_of_member(connection, author, room_id)
    async with request.state.chat.uploading.forms.of(author.id):
        yield


async def sent_files(request: Request, author: Visitor, room_id: RoomId, client_id: UUID) -> SentFiles:
    """Receive the files of a form that has been read. Those that are refused leave the others in place."""
    ids, described = await _ids(request), await descriptions(request)
    uploads: list[Upload] = []
    if ids:
        async with reading(request.state.chat.database) as connection:
            uploads = await uploads_of(connection, author, room_id, list(dict.fromkeys(ids)))
    missing = len(uploads) < len(set(ids))
    errors = [*files_gone().errors.values()] if missing else []
    files, limits = await read_files(request), request.state.chat.uploading.limits
    if len(uploads) + len(files) > limits.most_files:
        errors += too_many_files(limits).errors.values()
    for place, file in enumerate(files[: max(0, limits.most_files - len(uploads))]):
        try:
            uploads.append(
                await _received(request, author, room_id, uuid5(client_id, f"{place} {file.filename}"), file)
            )
        except InvalidInput as invalid:
            errors += invalid.errors.values()
        except (StoreUnavailable, Forbidden, NotFound) as error:
            errors.append(_why(error))
            break
    return SentFiles(uploads, [described.get(upload.id, "") for upload in uploads], " ".join(errors))


async def descriptions(request: Request) -> dict[FileId, str]:
    """Return the descriptions of files that a form names: a field `alt` for each field `upload`."""
    alts = [single_line(alt)[:LONGEST_ALT] for alt in await read_choices(request, "alt")]
    return dict(zip(await _ids(request), alts, strict=False))


async def _ids(request: Request) -> list[FileId]:
    return [FileId(number) for text in await read_choices(request, "upload") if (number := whole_number(text))]


def _why(error: Exception) -> str:
    if isinstance(error, StoreUnavailable):
        logger.warning("The store of files: %s", error)
        return DISK_FULL if isinstance(error, StoreFull) else STORE_AWAY
    return "You cannot write in this room."


async def _received(request: Request, author: Visitor, room_id: RoomId, client_id: UUID, file: ReceivedFile) -> Upload:
    """Store a file of the form. The same form sent twice makes it one upload."""
    uploading = request.state.chat.uploading
    if file.is_lost:
        raise InvalidInput(files=DISK_FULL)
    name, size = file.filename or "", file.size or 0
    if size > uploading.limits.most_bytes:
        raise too_large(name, uploading.limits)
    await throttle(request, UPLOAD, "files")
    upload = await uploading.begin(author, room_id, Announced(client_id, name, size))
    if upload.is_finished:
        return upload
    await file.seek(upload.received)
    return await uploading.append(author, upload, upload.received, _content(file))


async def _content(file: ReceivedFile) -> AsyncGenerator[bytes, None]:
    while chunk := await file.read(CHUNK_BYTES):
        yield chunk
