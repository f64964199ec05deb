"""The folder in which processes share their figures."""

from pathlib import Path

import anyio
import pytest

from chat.live.brokers.broker import Broker, MemoryBackend
from chat.metrics import shared
from chat.metrics.elsewhere import CHANNEL, Elsewhere
from chat.metrics.figures import Figures, sum_of
from chat.metrics.shared import OWNER, PREFIX, Place, shared_folder

MALFORMED = ("", "[1, 2", "[]", '{"a": 1}', "7", '["n", "m", 1, 2.0, {}, [], [], [3]]')


def figures_of(process_id: int, posts: float) -> Figures:
    return Figures(process_id=process_id, counters={("posts",): posts}, gauges={("open_sockets",): 3.0})


def test_a_gauge_of_another_version_is_left_out_of_the_sum() -> None:
    newer = Figures(gauges={("open_sockets",): 2.0, ("unheard_of",): 1.0})
    assert sum_of([figures_of(1, 0), newer]).gauges == {("open_sockets",): 5.0}


def test_the_folder_of_a_killed_chat_is_removed_and_that_of_a_running_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "IN_MEMORY", tmp_path)
    abandoned, just_made = tmp_path / f"{PREFIX}killed", tmp_path / f"{PREFIX}just-made"
    for folder in (abandoned, just_made):
        folder.mkdir()
    (abandoned / OWNER).touch()
    (abandoned / "0.lock").touch()
    with shared_folder() as first, shared_folder() as second:
        assert set(tmp_path.iterdir()) == {just_made, first, second}
    assert list(tmp_path.iterdir()) == [just_made]


def test_processes_at_the_same_time_have_places_of_their_own(tmp_path: Path) -> None:
    first, second = Place(tmp_path), Place(tmp_path)
    first.write(figures_of(1, 5))
    second.write(figures_of(2, 7))
    assert [(found.process_id, runs) for found, runs in first.processes()] == [(1, True), (2, True)]


def test_a_torn_or_foreign_file_is_left_out(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write(figures_of(1, 5))
    for number, text in enumerate(MALFORMED, 5):
        (tmp_path / f"{number}.figures").write_text(text)
    assert [found.process_id for found, _ in place.processes()] == [1]


@pytest.mark.anyio
async def test_figures_told_over_the_broker_are_heard_and_malformed_ones_are_not() -> None:
    broker = Broker(MemoryBackend())
    async with broker, anyio.create_task_group() as tasks:
        mine, other = Elsewhere(broker, "mine"), Elsewhere(broker, "other")
        tasks.start_soon(mine.listen)
        await anyio.lowlevel.checkpoint()
        for text in MALFORMED:
            await broker.publish(CHANNEL, text)
        await mine.tell(Figures("mine"))
        with anyio.fail_after(20):
            while not mine.running():
                await other.tell(Figures("other", recent={"posts": 7}))
                await anyio.sleep(0.01)
        assert [(found.node, found.recent) for found in mine.running()] == [("other", {"posts": 7})]
        tasks.cancel_scope.cancel()
