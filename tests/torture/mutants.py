"""Breaks the chat in several ways and shows that the torture test notices: `python -m tests.torture.mutants`."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.server import ROOT

SEEDS, SECONDS = 3, 20

# A plain post commits by its only statement, which cannot be acknowledged or published too early.
ALL_IN_TRANSACTIONS = ("chat/messages/post.py", "is_plain = not any(", "is_plain = False and any(")
# Only posts: a person who signed up would not be known to their next request.
BEGIN_LATE = """@asynccontextmanager
async def begin_late(database, publish):
    import asyncio

    connection = await database.connect()
    await connection.begin()
    change = Change(connection)
    yield change

    async def later():
        await asyncio.sleep(0.3)
        await connection.commit()
        await connection.close()

    asyncio.get_running_loop().create_task(later())
    await _publish(change, publish)


@asynccontextmanager
"""

# The mutants: file, text, text instead of it.
MUTANTS: dict[str, list[tuple[str, str, str]]] = {
    "no gap check": [("chat/live/revision.py", "if base == cursor else Verdict.FETCH", "")],
    "no comparison with the database once a second": [
        ("chat/live/repair.py", "        if not visited:\n", "        if True:\n"),
    ],
    "acknowledge before commit": [
        ALL_IN_TRANSACTIONS,
        (
            "chat/state.py",
            "import Change, begin_change, tell_after",
            "import Change, begin_change, begin_late, tell_after",
        ),
        ("chat/state.py", "begin, tell = partial(begin_change,", "begin, tell = partial(begin_late,"),
        ("chat/change.py", "@asynccontextmanager\nasync def tell_after", BEGIN_LATE + "async def tell_after"),
    ],
    "no duplicate key": [
        ("chat/messages/post_statement.py", "FROM messages WHERE messages", "FROM messages WHERE false AND messages"),
        ("migrations/versions/0001_first_tables.py", 'sa.UniqueConstraint("author_id", "client_id"', "#"),
    ],
    "join without replay": [
        (
            "chat/live/hub.py",
            "        while reader.room_id == room.id and not room.admit(reader):\n",
            "        room.readers[reader] = None\n        while False:\n",
        ),
    ],
    "epoch ignored": [
        ("chat/live/hub.py", "is_current = epoch == self._epoch and await", "is_current = await"),
        ("chat/live/hub.py", "if self._epoch and heads.epoch != self._epoch:", "if False:"),
        ("chat/live/hub.py", "        if hint.epoch == self._epoch:", "        if True:"),
    ],
    "order without the lock": [
        ("chat/messages/post.py", "if len(posts) == 1 else", "if False else"),
        (
            "chat/messages/post_statement.py",
            "position + step, revision + step, revision + step, newest_at",
            "position + step, before + step, before + step, newest_at",
        ),
        (
            "chat/messages/post_statement.py",
            "        FROM accepted JOIN room ON room.id = room_id\n",
            "        FROM accepted JOIN room ON room.id = room_id JOIN (\n"
            "            SELECT room_id AS of_room, max(revision) AS before FROM messages GROUP BY room_id\n"
            "            UNION SELECT id, 0 FROM rooms WHERE revision = 0\n"
            "        ) AS seen ON of_room = room_id\n",
        ),
    ],
    "publish inside the transaction": [
        ALL_IN_TRANSACTIONS,
        ("chat/change.py", "        yield change\n", "        yield change\n        await _publish(change, publish)\n"),
        ("chat/change.py", "    await _publish(change, publish)\n\n\n@", "\n\n@"),
    ],
}


def is_killed(changes: list[tuple[str, str, str]]) -> bool:
    """Return whether the torture test finds a violation in a copy of the chat with these changes."""
    with tempfile.TemporaryDirectory(prefix="simplechat-mutant-") as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "var", "test-results", ".*_cache"))
        for name, old, new in changes:
            text = (copy / name).read_text()
            if old not in text:
                raise SystemExit(f"{name} has changed: the mutant does not fit any more: {old!r}")
            (copy / name).write_text(text.replace(old, new))
        command = [sys.executable, "-m", "tests.torture.run", "--seeds", str(SEEDS), "--seconds", str(SECONDS)]
        done = subprocess.run([*command, "--until-violation"], cwd=copy, capture_output=True, text=True, check=False)
        found = [line.strip() for line in done.stdout.splitlines() if line.startswith("    ")]
        print(f"    {found[0][:110] if found else done.stderr[-400:]}", flush=True)
        return done.returncode == 1 and bool(found)


def main() -> None:
    survivors = []
    for name, changes in MUTANTS.items():
        print(f"{name}:", flush=True)
        if not is_killed(changes):
            survivors.append(name)
    print(f"{len(MUTANTS) - len(survivors)} of {len(MUTANTS)} mutants killed")
    sys.exit(f"survived: {', '.join(survivors)}" if survivors else 0)


if __name__ == "__main__":
    main()
