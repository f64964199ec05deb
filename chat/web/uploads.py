"""Uploads that resume where they broke off: the tus protocol 1.0, with creation and termination (docs/files.md)."""

import binascii
from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID, uuid4

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from chat.errors import InvalidInput
from chat.files.uploading import WrongOffset
from chat.files.uploads import Announced, Upload, discard_upload
from chat.ids import FileId
from chat.state import Request
from chat.throttling.rules import UPLOAD
from chat.web.errors import error_page
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.path import room_id_in

VERSION = "1.0.0"
CONTENT = "application/offset+octet-stream"


async def describe_uploads(request: Request) -> Response:
    """Say which parts of the protocol the chat speaks."""
    most = str(request.state.chat.uploading.limits.most_bytes)
    described = {"Tus-Version": VERSION, "Tus-Extension": "creation,termination", "Tus-Max-Size": most}
    return _answer(204, described)


async def create_upload(request: Request) -> Response:
    me = visitor(request)
    await throttle(request, UPLOAD, "files")
    _require_version(request)
    size, metadata = _number(request, "Upload-Length"), _metadata(request)
    try:
        client_id = UUID(metadata.get("id", "")) if "id" in metadata else uuid4()
    except ValueError as error:
        raise HTTPException(400, "The id is not a UUID.") from error
    announced = Announced(client_id, metadata.get("filename", ""), size)
    upload = await request.state.chat.uploading.begin(me, room_id_in(request), announced)
    return _answer(201, {"Location": f"/uploads/{upload.id}", **_place(upload)})


async def show_upload(request: Request) -> Response:
    upload = await request.state.chat.uploading.own(visitor(request), _upload_id(request))
    return _answer(200, {**_place(upload), "Upload-Length": str(upload.size)})


async def append_to_upload(request: Request) -> Response:
    me, uploading = visitor(request), request.state.chat.uploading
    _require_version(request)
    if request.headers.get("content-type") != CONTENT:
        raise HTTPException(415)
    upload = await uploading.own(me, _upload_id(request))
    offset, announced = _number(request, "Upload-Offset"), int(request.headers.get("content-length") or 0)
    if offset + announced > upload.size:
        raise InvalidInput(files=f"“{upload.name}” is longer than announced.")
    try:
        async with aclosing(_until_cut(request)) as content:
            upload = await uploading.append(me, upload, offset, content)
    except WrongOffset:
        present = await uploading.own(me, upload.id)
        response = error_page(request, 409, "The file has been received up to another place.")
        response.headers.update({"Tus-Resumable": VERSION, **_place(present)})
        return response
    return _answer(204, _place(upload))


async def cancel_upload(request: Request) -> Response:
    me = visitor(request)
    async with request.state.chat.change() as change:
        await discard_upload(change.connection, me, _upload_id(request))
    return _answer(204, {})


async def _until_cut(request: Request) -> AsyncGenerator[bytes, None]:
    """Yield the bytes that arrive before the line is cut."""
    async with aclosing(request.stream()) as stream:
        try:
            async for chunk in stream:
                yield chunk
        except ClientDisconnect:
            return


def _upload_id(request: Request) -> FileId:
    return FileId(request.path_params["upload_id"])


def _place(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.received)}


def _answer(status: int, headers: dict[str, str]) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": VERSION, "Cache-Control": "no-store", **headers})


def _require_version(request: Request) -> None:
    if request.headers.get("tus-resumable") != VERSION:
        raise HTTPException(412, headers={"Tus-Version": VERSION})


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 17):
        raise HTTPException(400, f"{name} must be a number.")
    return int(text)


def _metadata(request: Request) -> dict[str, str]:
    """Return `Upload-Metadata`: pairs of a key and a value in base64, separated by commas."""
    found = {}
    for pair in request.headers.get("upload-metadata", "").split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = b64decode(value, validate=True).decode().replace("\0", "")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise HTTPException(400, "Upload-Metadata is not valid.") from error
    return found
