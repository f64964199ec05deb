"""A reader: a page's socket and its person. And how a frame reaches many of them."""

from collections.abc import Callable, Iterable

from chat.ids import Revision, RoomId, SessionId, UserId
from chat.live.backlog import FrameQueue


class Reader:
    """A page's socket and its person. `send` never waits and never raises; `leave` closes it when the process ends.

    `transmit` hands as much of a frame to the system as that takes at once, and returns the number of these bytes; 0
    while something else waits to be written. It may raise `OSError`.
    """

    __slots__ = ("_dismiss", "cursor", "farewell", "leave", "room_id", "send", "session_id", "transmit", "user_id")

    def __init__(self, session_id: SessionId, user_id: UserId, room_id: RoomId | None) -> None:
        self.session_id = session_id
        self.user_id = user_id
        self.room_id = room_id
        self.cursor = Revision(0)
        self.farewell: tuple[int, str] | None = None
        self.transmit: Callable[[bytes], int] = transmit_nothing
        self.send: Callable[[bytes], None] = discard
        self.leave: Callable[[], None] = _do_nothing
        self._dismiss: Callable[[int, str], None] = _unattached

    def attach(self, leave: Callable[[], None], dismiss: Callable[[int, str], None]) -> None:
        """Close by these from now on; the connection itself keeps `send` up to date."""
        self.leave = leave
        self._dismiss = dismiss
        if self.farewell is not None:
            dismiss(*self.farewell)

    def attach_queue(self, queue: FrameQueue, close: Callable[[], None]) -> None:
        """Hand frames to a bounded queue, under other servers; `close` is called when it is full, or to leave."""

        def put(frame: bytes) -> None:
            if queue.is_full():
                close()
            else:
                queue.put_nowait(frame)

        if self.farewell is None:
            self.send = put
        self.attach(leave=close, dismiss=lambda _code, _html: close())

    def dismiss(self, code: int, html: str) -> None:
        """Send `html` as the last frame, and close with `code`."""
        if self.farewell is None:
            self.farewell = code, html
            self.transmit = transmit_nothing
            self.send = discard
            self._dismiss(code, html)


def send_to_all(readers: Iterable[Reader], frame: bytes) -> None:
    """Send a frame to each reader.

    Nearly all can transmit it at once, which takes half as long as the transport's way to the same system call.
    """
    size = len(frame)
    for reader in readers:
        # CPython 3.11 looks a slot up faster so than as the name of a method.
        transmit = reader.transmit
        try:
            sent = transmit(frame)
        except OSError:
            sent = 0
        if sent < size:
            reader.send(frame[sent:])


def transmit_nothing(frame: bytes) -> int:
    """Take nothing of a frame: something else waits to be written, or no connection takes it."""
    return 0


def discard(frame: bytes) -> None:
    """Drop a frame: no connection takes it."""


def _unattached(code: int, html: str) -> None:
    """Do nothing: no connection is attached yet, and `attach` dismisses it."""


def _do_nothing() -> None:
    """Do nothing: no connection is attached yet."""
