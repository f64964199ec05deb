"""Uploading: receives the pieces of a file, and makes a complete file of them."""

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from chat.accounts.person import Visitor
from chat.crash import crash_point
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.files.kinds import HEAD_BYTES, is_allowed, kind_of
from chat.files.pictures import PICTURES, Picture, Pictures, Square
from chat.files.prepared import MOST_BYTES, Crop, Shape
from chat.files.store import Store
from chat.files.uploads import (
    Announced,
    Upload,
    add_piece,
    begin_upload,
    discard_upload,
    finish_upload,
    give_up_objects,
    promise_object,
    upload_of,
)
from chat.ids import FileId, RoomId, UserId
from chat.settings import FileLimits
from chat.turns import Turns

_ENDINGS = {"image/jpeg": "jpg", "image/webp": "webp"}
MOST_PIECES = 10_000  # a line that is cut every three seconds needs a hundred for the largest file


class WrongOffset(Exception):
    """The client's offset is not the upload's; `offset` is the upload's own."""

    def __init__(self, offset: int) -> None:
        self.offset = offset


class Uploading:
    """Receives uploads. An upload grows piece by piece; each counts once it is whole in the store."""

    def __init__(self, database: AsyncEngine, store: Store, limits: FileLimits) -> None:
        self.limits = limits
        self.store = store
        self._database = database
        self._pictures = Pictures()
        self._turns: Turns[UserId] = Turns()
        self.forms: Turns[UserId] = Turns()  # a form's files are on the disk until they are in the store
        self.uploads = self.uploaded_bytes = 0  # whole, since the start

    async def begin(self, author: Visitor, room_id: RoomId, announced: Announced) -> Upload:
        """Begin an upload, as `begin_upload` does. An empty file is complete at once."""
        async with self._database.begin() as connection:
            upload = await begin_upload(connection, author, room_id, announced, self.limits)
        return upload if announced.size else await self.finish(author, upload)

    async def append(self, author: Visitor, upload: Upload, offset: int, content: AsyncIterable[bytes]) -> Upload:
        """Append content at an offset, and finish the upload when it is complete.

        The content may end early; the bytes that arrived count. Raises `WrongOffset`, `InvalidInput` for `files`, and
        `StoreUnavailable`.
        """
        if offset != upload.received:
            raise WrongOffset(upload.received)
        source = _Source(content)
        while upload.received < upload.size:
            if len(upload.pieces) >= MOST_PIECES:
                raise InvalidInput(files=f"“{upload.name}” came in too many pieces. Send it again.")
            grown = await self._append_piece(upload, source)
            if grown is None:
                break
            upload = grown
        return await self.finish(author, upload) if upload.received == upload.size else upload

    async def _append_piece(self, upload: Upload, source: "_Source") -> Upload | None:
        """Put one piece into the store; return None if there was no more content."""
        if not await source.has_more():
            return None
        key = await self._promised()
        most = min(self.store.piece_bytes, upload.size - upload.received)
        async with aclosing(source.take(most)) as piece:
            size = await self.store.put(key, piece)
        crash_point("after_piece")
        async with self._database.begin() as connection:
            grown = await add_piece(connection, upload, key, size)
            if grown is None:
                await give_up_objects(connection, [key])
        if grown is None:
            raise WrongOffset(-1)
        return grown

    async def finish(self, author: Visitor, upload: Upload) -> Upload:
        """Make one object of an upload's pieces and decide its type, unless that has been done.

        A person's uploads take turns: repeated requests do not join the same pieces at once, and pictures of others do
        not wait for all of theirs. Raises `InvalidInput` for `files` when the chat does not take such files; then the
        upload is gone.
        """
        if upload.is_finished:
            return upload
        async with self._turns.of(author.id):
            return await self._finish(author, await self.own(author, upload.id))

    async def _finish(self, author: Visitor, upload: Upload) -> Upload:
        if upload.is_finished:
            return upload
        kind = kind_of(await self._head(upload))
        if not is_allowed(kind, self.limits.types):
            async with self._database.begin() as connection:
                await discard_upload(connection, author, upload.id)
            raise InvalidInput(files=f"“{upload.name}” is of a kind that this chat does not take.")
        picture = await self._picture(upload) if kind in PICTURES and upload.size <= MOST_BYTES else None
        objects = picture.objects if picture else (await self._joined(upload),)
        values = _values_of(picture, upload) if picture else {"bytes": upload.size, "kind": kind}
        async with self._database.begin() as connection:
            is_finished = await finish_upload(connection, upload, objects, {**values, "object": objects[0]})
            if not is_finished:
                # Another process has done the same.
                await give_up_objects(connection, [key for key in objects if key not in upload.pieces])
            finished = await upload_of(connection, author, upload.id)
        if is_finished:
            self.uploads += 1
            self.uploaded_bytes += upload.size
        return finished

    async def _picture(self, upload: Upload) -> Picture | None:
        async with aclosing(self._content(upload)) as content:
            return await self._pictures.prepared(content, self._put)

    async def square(
        self, owner: Visitor, content: AsyncIterable[bytes], shape: Shape, crop: Crop | None = None
    ) -> Square:
        """Put a person's picture into the store as a square, in two sizes; raises `InvalidInput` for `picture`.

        Its objects are deleted after a day, unless a transaction keeps them.
        """
        async with self._turns.of(owner.id):
            picture = await self._pictures.prepared(content, self._put, shape, crop)
        if picture is None:
            raise InvalidInput(picture="This picture cannot be read. Choose another JPEG, PNG, WebP or GIF.")
        return Square(*picture.objects)

    async def _put(self, content: AsyncIterable[bytes]) -> UUID:
        key = await self._promised()
        await self.store.put(key, content)
        return key

    async def _joined(self, upload: Upload) -> UUID:
        """Return the key of an object of all pieces."""
        if len(upload.pieces) == 1:
            return upload.pieces[0]
        async with aclosing(self._content(upload)) as content:
            return await self._put(content)

    async def _content(self, upload: Upload) -> AsyncGenerator[bytes, None]:
        for piece in upload.pieces:
            async with aclosing(self.store.read(piece)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _head(self, upload: Upload) -> bytes:
        head = b""
        async with aclosing(self._content(upload)) as chunks:
            async for chunk in chunks:
                head += chunk
                if len(head) >= HEAD_BYTES:
                    break
        return head[:HEAD_BYTES]

    async def _promised(self) -> UUID:
        key = uuid4()
        async with self._database.begin() as connection:
            await promise_object(connection, key)
        return key

    async def own(self, author: Visitor, upload_id: FileId) -> Upload:
        """Return a person's own upload; raises `NotFound`."""
        async with reading(self._database) as connection:
            return await upload_of(connection, author, upload_id)


def _values_of(picture: Picture, upload: Upload) -> dict[str, object]:
    """Return the values of a picture's row. Its name gets the ending of the type that it has become."""
    stem, dot, ending = upload.name.rpartition(".")
    is_converted = picture.kind in _ENDINGS and ending.lower() in ("heic", "heif", "avif")
    _, thumbnail, sharp = (*picture.objects, None, None)[:3]
    return {
        "name": f"{stem}.{_ENDINGS[picture.kind]}" if dot and is_converted else upload.name,
        "kind": picture.kind,
        "bytes": picture.bytes,
        "width": picture.width,
        "height": picture.height,
        "colour": picture.colour,
        "is_animated": picture.is_animated,
        "thumbnail": thumbnail,
        "sharp_thumbnail": sharp,
    }


class _Source:
    """The content of a request, which is taken in parts of a given size."""

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self._chunks = aiter(content)
        self._next = b""

    async def has_more(self) -> bool:
        """Wait for further bytes; return False at the end."""
        while not self._next:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return False
            self._next = chunk
        return True

    async def take(self, most: int) -> AsyncGenerator[bytes, None]:
        """Take the next bytes, up to `most`."""
        while most > 0 and await self.has_more():
            chunk, self._next = self._next[:most], self._next[most:]
            most -= len(chunk)
            yield chunk
