"""Notices to particular people: your session has ended, you were removed from this room, your sidebar has changed.

They are hints, too: published to every process, applied here at once, and made good by a regular look at the database
when one is lost.
"""

import json
import logging
import secrets
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import anyio
from broadcaster import Broadcast

from chat.ids import Position, RoomId, SessionId, UserId
from chat.live.brokers.subscription import messages_of
from chat.live.hub import Hub
from chat.live.source import Feed, FeedUnavailable
from chat.live.unread_counts import Activity, read_element
from chat.live.wire import Reader, encode_frame
from chat.memory import MEGABYTE
from chat.supervision import Failures, supervised

logger = logging.getLogger(__name__)

CHANNEL = "notices"
SIGNED_OUT = 4401
REMOVED = 4403
NOT_FOUND = 4404

CHECK_SECONDS = 5.0
NEWS = encode_frame("<chat-news></chat-news>")
RECENT_SECONDS = 10.0  # how long a page may be on its way to its connection and miss nothing
MOST_REMEMBERED_BYTES = 2 * MEGABYTE  # in that time; a page that may have missed more reloads everything
MOST_TOLD_OF_TYPING = 200  # readers of a room in this process


class _Told(NamedTuple):
    at: float
    audience: RoomId | Collection[UserId] | None  # None is everybody
    frame: bytes

    @property
    def size(self) -> int:
        """Estimate its bytes in memory; a set takes some more than its members."""
        return 256 + len(self.frame) + (0 if isinstance(self.audience, int | None) else 100 * len(self.audience))

    def concerns(self, reader: Reader) -> bool:
        if self.audience is None:
            return True
        return self.audience == reader.room_id if isinstance(self.audience, int) else reader.user_id in self.audience


class Notices:
    """Tells people's open pages what happened to them. `run` must be running."""

    def __init__(
        self,
        broadcast: Broadcast,
        feed: Feed,
        hub: Hub,
        activity: Activity,
        *,
        signed_out: str,
        gone: str,
        sidebar: str,
    ) -> None:
        self._name = secrets.token_hex(8)
        self._broadcast = broadcast
        self._feed = feed
        self._hub = hub
        self._activity = activity
        self._signed_out = signed_out
        self._gone = gone
        self._sidebar = encode_frame(sidebar)
        self._recent: deque[_Told] = deque()
        self._recent_bytes = 0
        self._forgotten_until = -RECENT_SECONDS

    async def run(self, failures: Failures | None = None) -> None:
        """Apply other processes' notices, and look for lost ones, until cancelled."""
        async with supervised(failures) as tasks:
            tasks.keep(self._listen, "notices")
            tasks.keep(self._check_seats, "notices check")

    async def end_sessions(self, session_ids: Collection[SessionId]) -> None:
        """Close the sockets of sessions that were revoked."""
        await self._tell({"ended": list(session_ids)})

    async def remove_from_room(self, room_id: RoomId, user_id: UserId) -> None:
        """Close a removed person's view of a room."""
        await self._tell({"removed": [room_id, user_id]})

    async def close_room(self, room_id: RoomId, markup: str) -> None:
        """Close everybody's view of a room that is no more, with a word about it."""
        await self._tell({"closed": [room_id, markup]})

    async def refresh_sidebars(self, user_ids: Collection[UserId]) -> None:
        """Let these people's pages load their sidebar anew."""
        await self._tell({"sidebars": list(user_ids)})

    async def show_in_room(self, room_id: RoomId, markup: str) -> None:
        """Send markup to everybody who has a room's page open. Who is away sees it when the page is loaded."""
        await self._tell({"show": [room_id, markup]})

    async def show_everybody(self, markup: str) -> None:
        """Send markup to every open page."""
        await self._tell({"everybody": [markup]})

    async def show_people(self, user_ids: Collection[UserId], markup: str) -> None:
        """Send markup to these people's open pages."""
        await self._tell({"people": [list(user_ids), markup]})

    async def show_typing(self, room_id: RoomId, markup: str) -> None:
        """The same for who is writing, where not so many read that it would be for ever somebody."""
        await self._tell({"typing": [room_id, markup]})

    async def tell_read(self, user_id: UserId, room_id: RoomId, position: Position) -> None:
        """Let all of somebody's pages know how far they have read in a room."""
        await self._tell({"read": [user_id, room_id, position]})

    async def tell_mentioned(self, user_ids: Collection[UserId], room_id: RoomId, position: Position) -> None:
        """Let these people's pages know of a message that means them."""
        await self._tell({"mentioned": [list(user_ids), room_id, position]})

    def repeat(self, reader: Reader) -> None:
        """Tell a reader that has just gone live what was told while its page was on the way, or a moment before."""
        self._forget_old()
        for frame in dict.fromkeys(told.frame for told in self._recent if told.concerns(reader)):
            reader.send(frame)
        if self._forgotten_until > anyio.current_time() - RECENT_SECONDS:
            reader.send(self._sidebar)
            reader.send(NEWS)

    def _remember(self, audience: RoomId | Collection[UserId] | None, frame: bytes) -> None:
        self._forget_old()
        self._recent.append(_Told(anyio.current_time(), audience, frame))
        self._recent_bytes += self._recent[-1].size
        while self._recent_bytes > MOST_REMEMBERED_BYTES:
            self._forgotten_until = self._forget_oldest().at

    def _forget_old(self) -> None:
        since = anyio.current_time() - RECENT_SECONDS
        while self._recent and self._recent[0].at < since:
            self._forget_oldest()

    def _forget_oldest(self) -> _Told:
        oldest = self._recent.popleft()
        self._recent_bytes -= oldest.size
        return oldest

    async def _tell(self, notice: Mapping[str, Sequence[Any]]) -> None:
        self._apply(notice)
        await self._broadcast.publish(CHANNEL, json.dumps({"from": self._name, **notice}))

    def _apply(self, notice: Mapping[str, Sequence[Any]]) -> None:
        self._dismiss(notice)
        if "sidebars" in notice:
            self._send_to_people(notice["sidebars"], self._sidebar)
            self._activity.refresh(notice["sidebars"])
        if "show" in notice:
            room_id, markup = notice["show"]
            self._hub.send_to_room(RoomId(room_id), markup)
            # What was shown may be of yesterday by then: a page that comes later looks for itself.
            self._remember(RoomId(room_id), NEWS)
        if "everybody" in notice:
            frame = encode_frame(notice["everybody"][0])
            self._remember(None, frame)
            for reader in self._hub.readers():
                reader.send(frame)
        if "people" in notice:
            user_ids, markup = notice["people"]
            self._send_to_people(user_ids, encode_frame(markup))
        if "typing" in notice:
            room_id, markup = notice["typing"]
            self._hub.send_to_room(RoomId(room_id), markup, most=MOST_TOLD_OF_TYPING)
        if "mentioned" in notice:
            user_ids, room_id, position = notice["mentioned"]
            frame = encode_frame(f'<chat-mention data-room="{room_id}" data-position="{position}"></chat-mention>')
            self._send_to_people(user_ids, frame)
        if "read" in notice:
            user_id, room_id, position = notice["read"]
            frame = encode_frame(read_element(RoomId(room_id), Position(position)))
            for reader in self._hub.readers_of(UserId(user_id)):
                reader.send(frame)

    def _send_to_people(self, user_ids: Collection[UserId], frame: bytes) -> None:
        self._remember(frozenset(user_ids), frame)
        for user_id in user_ids:
            for reader in self._hub.readers_of(user_id):
                reader.send(frame)

    def _dismiss(self, notice: Mapping[str, Sequence[Any]]) -> None:
        ended = set(notice.get("ended", ()))
        room_id, removed = notice.get("removed", (None, None))
        closed, farewell = notice.get("closed", (None, self._gone))
        if not (ended or removed or closed):
            return
        left = room_id or closed
        # Pages about a room that do not follow its messages.
        leave = encode_frame(f'<chat-left data-room="{left}"></chat-left>')
        for reader in list(self._hub.readers()):
            if reader.session_id in ended:
                self._end_session(reader)
            elif not (closed or reader.user_id == removed):
                continue
            elif reader.room_id is None:
                reader.send(leave)
            elif reader.room_id == left:
                reader.dismiss(REMOVED, farewell)

    def _end_session(self, reader: Reader) -> None:
        reader.dismiss(SIGNED_OUT, self._signed_out)

    def _remove(self, reader: Reader) -> None:
        reader.dismiss(REMOVED, self._gone)

    async def _listen(self) -> None:
        async with self._broadcast.subscribe(CHANNEL) as subscriber:
            async for text in messages_of(subscriber):
                try:
                    notice = json.loads(text)
                    if notice.get("from") != self._name:
                        self._apply(notice)
                except (ValueError, TypeError, AttributeError):
                    logger.warning("Ignored a malformed notice")

    async def _check_seats(self) -> None:
        while True:
            await anyio.sleep(CHECK_SECONDS)
            self._forget_old()
            readers = list(self._hub.readers())
            if not readers:
                continue
            try:
                expelled = await self._feed.expelled({(reader.session_id, reader.room_id) for reader in readers})
            except FeedUnavailable as error:
                logger.warning("Could not check who may still be here: %s", error)
                continue
            for reader in readers:
                if (reader.session_id, None) in expelled:
                    self._end_session(reader)
                elif (reader.session_id, reader.room_id) in expelled:
                    self._remove(reader)
