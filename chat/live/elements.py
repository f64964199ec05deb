"""The small elements that tell a page about a change. Scripts in static/js define how each acts."""

from collections.abc import Iterable

from chat.ids import Position, RoomId

NEWS = "<chat-news></chat-news>"


def read_position(room_id: RoomId, position: Position) -> str:
    """Return the markup that says how far a person has read a room."""
    return f'<chat-read data-room="{room_id}" data-position="{position}"></chat-read>'


def message_count(room_id: RoomId, count: int) -> str:
    """Return the markup that says how many messages a room has."""
    return f'<chat-activity data-room="{room_id}" data-count="{count}"></chat-activity>'


def mention(room_id: RoomId, position: Position) -> str:
    """Return the markup that says that a message mentions the page's reader."""
    return f'<chat-mention data-room="{room_id}" data-position="{position}"></chat-mention>'


def left_room(room_id: RoomId) -> str:
    """Return the markup that makes pages about a room leave it, because their reader is no longer a member."""
    return f'<chat-left data-room="{room_id}"></chat-left>'


def changed_pages(paths: Iterable[str]) -> str:
    """Return the markup that makes pages at these paths reload their content."""
    return f'<chat-pages data-paths="{" ".join(paths)}"></chat-pages>'
