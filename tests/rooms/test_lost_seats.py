"""Pages whose reader has lost a right without an event are closed some seconds later."""

import asyncio
import shutil
import time
from pathlib import Path

import anyio
import pytest

from chat.database import embedded
from chat.database.engine import create_engine
from chat.database.questions import Answer, Question, Questions
from chat.ids import RoomId, SessionId
from chat.live.open_pages import CHECK_SECONDS, REMOVED, SIGNED_OUT
from chat.live.source import Seat
from chat.rooms.seats import LostSeats, state_of
from tests.support.databases import FAST, execute, new_folder, query
from tests.support.live_client import LiveClient
from tests.support.people import Person

pytestmark = pytest.mark.anyio

HOT = {**FAST, "wal_level": "replica"}
PATIENCE = 3  # seconds, for a machine that stands still
ENDINGS = [
    ("UPDATE sessions SET revoked_at = now() WHERE user_id = $1", SIGNED_OUT),
    ("DELETE FROM sessions WHERE user_id = $1", SIGNED_OUT),
    ("DELETE FROM memberships WHERE user_id = $1", REMOVED),
]
SEATS = "SELECT sessions.id, memberships.room_id FROM sessions JOIN memberships USING (user_id)"


@pytest.mark.parametrize(("ending", "code"), ENDINGS)
async def test_a_page_without_its_right_is_closed(alice: Person, bob: Person, ending: str, code: int) -> None:
    async with LiveClient(bob, 1) as his, LiveClient(alice, 1) as hers:
        await asyncio.sleep(2 * CHECK_SECONDS)
        await execute(alice.server.database_url, ending, bob.id)
        await his.until(lambda: his.closed_with == code, within=CHECK_SECONDS + PATIENCE)
        assert hers.closed_with is None


async def test_a_page_is_closed_when_its_session_has_expired(alice: Person, bob: Person) -> None:
    async with LiveClient(bob, 1) as his, LiveClient(alice, 1) as hers:
        ends = "UPDATE sessions SET expires_at = now() + make_interval(secs => $2) WHERE user_id = $1"
        await execute(alice.server.database_url, ends, bob.id, 2 * CHECK_SECONDS + 1)
        began = time.monotonic()
        await his.until(lambda: his.closed_with == SIGNED_OUT, within=3 * CHECK_SECONDS + 1 + PATIENCE)
        assert time.monotonic() - began >= 2 * CHECK_SECONDS
        assert hers.closed_with is None


class Noted(Questions):
    """Keeps the names of the questions' parameters."""

    def __init__(self, url: str) -> None:
        super().__init__(create_engine(url))
        self.asked: list[list[str]] = []

    async def ask(self, question: Question, **parameters: object) -> Answer:
        self.asked.append(sorted(parameters))
        return await super().ask(question, **parameters)


@pytest.mark.usefixtures("alice", "bob")
async def test_seats_are_looked_at_again_only_after_a_change(database_url: str) -> None:
    questions = Noted(database_url)
    rows = await anyio.to_thread.run_sync(query, database_url, SEATS)
    seats: set[Seat] = {(SessionId(row["id"]), RoomId(row["room_id"])) for row in rows}
    a_seat = min(seats, key=str)
    whole: list[str] = ["seat_rooms", "seat_sessions"]
    with anyio.fail_after(60):
        # Until nothing changes meanwhile in the databases of other tests.
        while questions.asked != [whole, [], [], [], whole]:
            questions.asked.clear()
            lost = LostSeats(questions)
            for asked in ({*seats}, {*seats}, {a_seat}, {*seats}, {*seats, (a_seat[0], None)}):
                assert await lost.among(asked) == set()
    strange: Seat = (a_seat[0], RoomId(999))
    assert await lost.among({*seats, strange}) == {strange}
    await execute(database_url, "UPDATE sessions SET revoked_at = now() WHERE id = $1", a_seat[0])
    assert await lost.among(seats) == {(a_seat[0], None)}
    assert await lost.among(seats) == {(a_seat[0], None)}
    await questions._database.dispose()


async def test_the_state_of_a_standby_is_never_taken_for_unchanged() -> None:
    folder = new_folder("simplechat-standby-")
    try:
        await anyio.to_thread.run_sync(_start_once, folder)
        (folder / "postgres" / "standby.signal").touch()
        with embedded.postgres(folder, options=HOT) as url:
            questions = Questions(create_engine(url))
            states = [(await state_of(questions))[0] for _ in range(3)]
            assert len(set(states)) == 3
            await questions._database.dispose()
    finally:
        shutil.rmtree(folder)


def _start_once(folder: Path) -> None:
    folder.chmod(0o755)
    with embedded.postgres(folder, options=HOT):
        pass
