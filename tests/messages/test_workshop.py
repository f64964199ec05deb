"""Rendering that takes too long is given up and delays no other author."""

import asyncio
import html
import re
import time

import psutil
import pytest
from pygments.lexers import get_lexer_by_name

from chat.ids import UserId
from chat.messages.highlighting import LANGUAGES
from chat.messages.markdown import MARKUP_ALLOWANCE, MARKUP_PER_BYTE
from chat.messages.workshop import MOST_WAITING, WORKERS, Workshop
from tests.support.databases import query
from tests.support.people import Person, bodies
from tests.support.silence import Silence

pytestmark = pytest.mark.usefixtures("unmeasured")

ALICE, BOB = UserId(1), UserId(2)
LONGEST_SILENCE = 0.2
SLOW = "```cpp\nx" + "\n" * 9960 + "x\n```"
PROGRAM = "```python\nif x: # y\n```"
COLOURED = '<pre><code><span class="hl-k">if</span> x: <span class="hl-c"># y</span>\n</code></pre>'

# fmt: off
REPEATED = [
    "x", "\n", "'", '"', "'''", '"""', "(", "[", "{", "<", "{{", ")", "}", "\\", " ", "/", "/*", "*", "$", "`", "x\n",
    "x ", "\\\n", '\\"', "1",
]
# fmt: on


def different_languages() -> list[str]:
    """The listed languages, each once: a language may have several names."""
    return list({get_lexer_by_name(name).name: name for name in sorted(LANGUAGES)}.values())


def groups(number: int) -> list[list[str]]:
    languages = different_languages()
    return [languages[first::number] for first in range(number)]


@pytest.mark.parametrize("languages", groups(4), ids=" ".join)
def test_highlighting_a_program_in_any_language_blocks_no_other_request(
    alice: Person, bob: Person, languages: list[str]
) -> None:
    alice.post(1, PROGRAM)
    kept: list[str] = []
    with Silence(alice.server, bob.client, "/profile") as silence:
        for number, language in enumerate(languages):
            # Half of them for each language, since a run has little time.
            for place, piece in enumerate(REPEATED[number % 2 :: 2]):
                code = (piece * 10_000)[: 9_990 - len(language)]
                fence = "~~~" if "`" in piece else "```"
                body = f"{fence}{language}\n{code}\n{fence}"
                answer = alice.edit(1, body) if place % 2 else alice.post(1, body)
                assert answer.status_code == 200, answer.text
                kept += [] if code.strip() in bodies(answer.text)[0] else [f"{language} {piece!r}"]
    assert kept == [], "no text is kept in full"
    assert silence.longest < LONGEST_SILENCE
    assert silence.answers > len(languages)


def test_highlighted_markup_is_never_many_times_its_text(alice: Person) -> None:
    alice.post(1, "```java\n" + '"""\n' * 2490 + "\n```")
    alice.post(1, "```json\n" + "[1," * 3320 + "\n```")
    alice.post(1, "&" * 10_000)
    alice.post(1, "[a](http://b.c)" * 660)
    sizes = query(alice.server.database_url, "SELECT octet_length(body), octet_length(body_html) FROM messages")
    assert len(sizes) == 4
    for text, markup in sizes:
        assert markup <= MARKUP_PER_BYTE * text + MARKUP_ALLOWANCE


def test_a_text_too_slow_to_render_stays_plain_and_mentions_no_member(alice: Person, bob: Person) -> None:
    body = "@Bob Brown <b> &amp; " + "http://[" * 1240
    assert bodies(alice.post(1, body).text) == [body]
    assert query(alice.server.database_url, "SELECT count(*) FROM mentions")[0][0] == 0
    alice.server.until_logged("markup_given_up")


def test_workers_end_with_a_killed_server_and_hold_no_secrets(alice: Person) -> None:
    alice.post(1, PROGRAM)
    assert alice.server.process is not None
    workers = psutil.Process(alice.server.process.pid).children(recursive=True)
    assert len(workers) > 1
    for worker in workers:
        assert not {"SECRET_KEY", "DATABASE_URL"} & worker.environ().keys()
    psutil.Process(alice.server.process.pid).kill()
    assert psutil.wait_procs(workers, timeout=30)[1] == []


@pytest.mark.anyio
async def test_an_ordinary_program_is_coloured_in_every_language() -> None:
    typical = {"php": "<?php if", "diff": "+x", "http": "GET / HTTP/1.1", "markdown": "`x`", "md": "`x`", "html": "<b>"}
    async with Workshop() as workshop:
        for language in sorted(LANGUAGES):
            code = typical.get(language, 'x = "1" # y\n/* 1 */ <a> for 12 {a: 1} "s"\n')
            made = await workshop.written(f"```{language}\n{code}\n```", ALICE)
            assert 'class="hl-' in made.html, language
            assert code.strip() in html.unescape(re.sub(r"<[^>]+>", "", made.html)), language


def forge_of_this_process() -> psutil.Process:
    """The process that forks workers; a browser of other tests may be a child of this process, too."""
    children = psutil.Process().children()
    (forge,) = [child for child in children if "chat.messages.worker" in " ".join(child.cmdline())]
    return forge


@pytest.mark.anyio
async def test_killed_workers_are_replaced_and_texts_keep_their_colours() -> None:
    async with Workshop() as workshop:
        for victim in ("worker", "both", "forge"):
            assert (await workshop.written(PROGRAM, ALICE)).html == COLOURED
            forge = forge_of_this_process()
            workers = forge.children()
            assert 1 <= len(workers) <= WORKERS
            victims = {"worker": workers, "forge": [forge], "both": [forge, *workers]}[victim]
            for process in victims:
                process.kill()
            for process in set(victims) - {forge}:
                process.wait(30)
            assert (await workshop.written(PROGRAM, ALICE)).html == COLOURED


@pytest.mark.anyio
async def test_an_author_of_many_slow_texts_delays_only_themselves() -> None:
    done: list[str] = []

    async def write(body: str, author: UserId, name: str) -> None:
        await workshop.written(body, author)
        done.append(name)

    async with Workshop() as workshop:
        await workshop.written(PROGRAM, BOB)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(write(SLOW, ALICE, "slow"))
            await asyncio.sleep(0.05)
            tasks.create_task(write(PROGRAM, BOB, "program"))
    assert done.index("program") <= 1


@pytest.mark.anyio
async def test_texts_beyond_the_queue_stay_plain() -> None:
    async with Workshop() as workshop:
        texts = [f"{PROGRAM}\n{number}" for number in range(MOST_WAITING + 5)]
        made = await asyncio.gather(*(workshop.written(text, ALICE) for text in texts))
        coloured = [text for text, each in zip(texts, made, strict=True) if 'class="hl-' in each.html]
        assert coloured == texts[:MOST_WAITING]
        assert 'class="typed"' in made[-1].html


@pytest.mark.anyio
async def test_a_late_answer_is_not_mistaken_for_the_next() -> None:
    async with Workshop() as workshop:
        await workshop.written(PROGRAM, ALICE)
        for pause in (0, 0.001, 0.002, 0.005, 0.05):
            task = asyncio.create_task(workshop.written(SLOW, ALICE))
            await asyncio.sleep(pause)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (await workshop.written(PROGRAM, ALICE)).html == COLOURED


@pytest.mark.anyio
async def test_without_worker_processes_a_text_stays_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere")
    async with Workshop() as workshop:
        assert (await workshop.written(PROGRAM, ALICE)).html == f'<p class="typed">{PROGRAM}</p>'
        assert (await workshop.written("*short*", ALICE)).html == "<p><em>short</em></p>"


@pytest.mark.anyio
async def test_a_suspended_worker_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.messages.workshop.JOB_SECONDS", 2)
    async with Workshop() as workshop:
        await workshop.written(PROGRAM, ALICE)
        (worker,) = forge_of_this_process().children()
        worker.suspend()
        began = time.monotonic()
        assert "if x" in (await workshop.written(PROGRAM, ALICE)).html
        assert time.monotonic() - began >= 2
        assert (await workshop.written(PROGRAM, ALICE)).html == COLOURED
        assert not worker.is_running()
