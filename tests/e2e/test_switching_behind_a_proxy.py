"""Switching rooms where the page, its parts and its socket come from several processes behind a proxy."""

import os
import random
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.test_switching import arrange, is_same, same_page, to_room
from tests.support.browsers import Windows
from tests.support.load_balancer import LoadBalancer, find_load_balancer
from tests.support.people import first_run, sign_up
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer

pytestmark = pytest.mark.usefixtures("unmeasured")


def test_a_reader_switches_between_rooms_served_by_three_processes(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer, windows: Windows
) -> None:
    if find_load_balancer("nginx") is None and "CI" not in os.environ:
        pytest.skip("nginx is not installed")
    servers = [start_server(database_url, redis_server.url) for _ in range(3)]
    alice = first_run(servers[0])
    bob = sign_up(servers[1], "Bob Brown")
    rooms = arrange(alice)
    for room in rooms:
        bob.submit(f"/rooms/{room}/join")
    balancer = LoadBalancer("nginx", servers)
    try:
        page = windows.open(storage_state=windows.open_as(alice).context.storage_state())
        page.goto(f"{balancer.url}/rooms/{rooms[0]}")
        same_page(page)
        chance = random.Random(7)
        for number in range(30):
            bob.post(rooms[number % 2], f"number {number}")
            page.click(f"#sidebar .rooms a[data-room='{chance.choice(rooms)}']")
        for place, (name, first) in enumerate((("Garden", "roses"), ("Kitchen", "soup"))):
            to_room(page, name)
            texts = [first] + [f"number {number}" for number in range(place, 30, 2)]
            expect(page.locator("#messages .body")).to_have_text(texts)
        page.fill("#body", "and bread")
        page.keyboard.press("Enter")
        expect(page.locator("#messages .body")).to_have_text([*texts, "and bread"])
        assert is_same(page)
        page.close()
    finally:
        balancer.stop()
