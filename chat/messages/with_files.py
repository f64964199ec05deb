"""Attaching the files of new messages, within the transaction that posts them."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chat.database.engine import is_one_of
from chat.files.attachment import Chosen, attach
from chat.ids import UserId
from chat.messages.message import Message, message_from, select_messages
from chat.models import messages


async def with_files(
    connection: AsyncConnection, posted: Sequence[Message], chosen: Mapping[tuple[UserId, UUID], Sequence[Chosen]]
) -> list[Message]:
    """Return new messages with the files that their posts chose, by author and client id; raises `NotAttached`."""
    found = {
        message.id: chosen[message.author.id, message.client_id]
        for message in posted
        if (message.author.id, message.client_id) in chosen
    }
    await attach(connection, found)
    statement = select_messages().where(is_one_of(messages.c.id, found))
    read = {row.id: message_from(row) for row in await connection.execute(statement)}
    return [read.get(message.id, message) for message in posted]
