"""Messages that quote messages of other rooms, by links to them."""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.ids import MessageId, RoomId
from chat.link_tables import links_to_show, message_links
from chat.models import messages

MOST = 1000  # messages, the newest; older ones show the change when their room's page is loaded again


async def look_again_where_quoted(
    connection: AsyncConnection, *, message_id: MessageId | None = None, room_id: RoomId | None = None
) -> None:
    """Let messages of other rooms be looked at that quote a message, or any of a room.

    Pages of the same room see the change of the quoted message itself.
    """
    quoted = messages.alias("quoted")
    changed = quoted.c.id == message_id if message_id is not None else quoted.c.room_id == room_id
    quoting = (
        select(message_links.c.message_id)
        .distinct()
        .join(quoted, quoted.c.id == message_links.c.quoted_id)
        .join(messages, messages.c.id == message_links.c.message_id)
        .where(changed, messages.c.room_id != quoted.c.room_id)
        .order_by(message_links.c.message_id.desc())
        .limit(MOST)
    )
    added = insert(links_to_show).from_select(["message_id"], quoting)
    again = {"due_at": func.now(), "attempts": 0}
    await connection.execute(added.on_conflict_do_update(index_elements=["message_id"], set_=again))
