"""compose.yaml: its promises beside those of the image, and a run of it in which both chats are killed in turn."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import yaml

from chat.command_line import SETTINGS_HELP
from tests.support.composition import Composition, find_compose
from tests.support.container import has_image
from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run, sign_up
from tests.support.server import ROOT
from tests.support.uploading import send_file

CHATS = ("chat-one", "chat-two")
SETTINGS = set(re.findall(r"\b[A-Z][A-Z_]{2,}\b", SETTINGS_HELP))


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, object]]:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert isinstance(services, dict)
    return services


@pytest.mark.parametrize("name", [*CHATS, "migrate"])
def test_every_chat_is_hardened_and_knows_its_settings(services: dict[str, dict[str, object]], name: str) -> None:
    chat = services[name]
    assert (chat["read_only"], chat["cap_drop"], chat["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    settings = chat["environment"]
    assert isinstance(settings, dict)
    assert set(settings) <= SETTINGS
    assert int(str(chat["stop_grace_period"]).removesuffix("s")) > int(settings["GRACE"])


def test_the_chats_wait_for_the_migration_and_only_the_proxy_is_reachable(
    services: dict[str, dict[str, object]],
) -> None:
    for name in CHATS:
        waits = services[name]["depends_on"]
        assert isinstance(waits, dict)
        assert waits["migrate"] == {"condition": "service_completed_successfully"}
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    proxy = services["proxy"]["environment"]
    assert isinstance(proxy, dict)
    assert proxy["CHAT_SERVERS"].split() == [f"{name}:8000" for name in CHATS]


def test_every_image_is_pinned(services: dict[str, dict[str, object]]) -> None:
    named = [str(service["image"]) for service in services.values() if not str(service["image"]).startswith("${")]
    named += re.findall(r"^ARG BASE=(.*)", (Path(ROOT) / "Dockerfile").read_text(), re.M)
    assert len(named) == 4
    assert all(re.search(r":\d+\.\d+", name) for name in named)


@pytest.fixture
def composition(image: str, services: dict[str, dict[str, object]]) -> Iterator[Composition]:
    """Everything that compose.yaml starts, ready."""
    command = find_compose()
    if command is None:
        pytest.skip("Docker Compose is not installed")
    for name in {str(service["image"]) for service in services.values()}:
        if not name.startswith("${") and not has_image(name):
            pytest.skip(f"{name} is not here, and no registry of images answers: tests/deploy/images/make.sh")
    composition = Composition(command)
    try:
        composition.start()
        yield composition
    finally:
        composition.remove()


def post_until_taken(author: Person, bodies: list[str]) -> None:
    """Post messages one after the other, each until it is taken, as a page's outbox does."""
    for body in bodies:
        client_id, deadline = str(uuid4()), time.monotonic() + 60
        while True:
            try:
                if author.post(1, body, client_id).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, f"{body} was never taken"
            time.sleep(0.2)


@pytest.mark.anyio
async def test_two_people_lose_nothing_while_each_chat_is_killed(composition: Composition) -> None:
    alice = await asyncio.to_thread(first_run, composition, code=composition.setup_code)
    bob = await asyncio.to_thread(sign_up, composition, "Bob Brown")
    async with LiveClient(bob, 1) as bobs_page, LiveClient(alice, 1) as alices_page:
        pages = (bobs_page, alices_page)
        path = await asyncio.to_thread(send_file, alice, "plan.txt", b"the plan", "the plan is here")
        posted = ["the plan is here"]
        for chat in CHATS:
            bodies = [f"{number} while {chat} is killed" for number in range(8)]
            writing = asyncio.create_task(asyncio.to_thread(post_until_taken, alice, bodies))
            await bobs_page.until_shows(bodies[1])
            await asyncio.to_thread(composition.run, "kill", chat)
            await writing
            posted += bodies
            for page in pages:
                await page.until_sees(len(posted), within=40)
            assert (await asyncio.to_thread(bob.get, path)).content == b"the plan", "both chats share the files"
            await asyncio.to_thread(composition.run, "up", "--detach", "--no-build", "--no-deps", "--wait", chat)
        for page in pages:
            assert (page.texts(), page.doubled) == (posted, [])
