"""Changes by others show on open pages without a reload."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from playwright.sync_api import WebSocketRoute, expect

from tests.support.browsers import Windows, wait_until_live
from tests.support.people import Person, sign_up


def test_a_new_name_shows_on_open_pages_at_once(alice: Person, bob: Person, windows: Windows) -> None:
    alice.post(1, "from her")
    direct = alice.open_direct(bob)
    alice.post(direct, "only to him")
    room, people, direct_page = (windows.open_as(bob, path) for path in ("/rooms/1", "/people", f"/rooms/{direct}"))
    expect(room.locator(".message .author")).to_have_text("Alice Adams")
    alice.submit("/profile/name", {"name": "Zoë <b>Zander</b>"})
    expect(room.locator(".message .author")).to_have_text("Zoë <b>Zander</b>")
    expect(room.locator(".sidebar [data-with] .one-line")).to_have_text("Zoë <b>Zander</b>")
    expect(people.locator('a.list-name[href="/people/1"]')).to_contain_text("Zoë <b>Zander</b>")
    expect(direct_page.locator("#room-header h1")).to_contain_text("Zoë <b>Zander</b>")


def test_new_rooms_and_members_appear_in_open_lists_and_keep_input(
    alice: Person, bob: Person, windows: Windows
) -> None:
    rooms, people = windows.open_as(bob, "/rooms"), windows.open_as(bob, "/people")
    alice.create_room("Kitchen")
    expect(rooms.locator(".list")).to_contain_text("Kitchen")
    rooms.locator("#main input[type=search], #main input[name=q]").first.fill("kit")
    alice.create_room("Cellar")
    sign_up(alice.server, "Carol Clark")
    expect(people.locator(".list")).to_contain_text("Carol Clark")
    expect(rooms.locator("#main input[name=q]").first).to_have_value("kit")


def test_a_theme_shows_on_other_open_pages(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", color_scheme="light")
    alice.submit("/profile/theme", {"theme": "dark"})
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    alice.submit("/profile/theme", {"theme": "system"})
    expect(page.locator("html")).to_have_css("color-scheme", "light dark")


def test_news_show_that_come_while_the_server_is_told_of_a_new_list(alice: Person, windows: Windows) -> None:
    page, held = windows.open_as(alice), list[str | bytes]()

    def answer_late(socket: WebSocketRoute) -> None:
        def pass_on(frame: str | bytes) -> None:
            if "switched" in str(frame):
                held.append(frame)
                return
            socket.send(frame)
            while held and "data-theme" in str(frame):
                socket.send(held.pop())

        socket.connect_to_server().on_message(pass_on)

    page.route_web_socket("**/live*", answer_late)
    page.goto(f"{alice.server.url}/people")
    wait_until_live(page)
    page.evaluate("document.getElementById('main').title = 'of the old list'")
    page.evaluate("htmx.trigger('#page-news', 'news')")
    expect(page.locator("#main")).not_to_have_attribute("title", "of the old list")
    alice.submit("/profile/theme", {"theme": "dark"})
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_time_zone_and_a_clock_show_on_other_open_pages(alice: Person, windows: Windows) -> None:
    alice.post(1, "hello")
    alice.submit("/admin/invite", {"days": "7", "uses": "25"})
    room, links = (
        windows.open_as(alice, path, locale="en-US", timezone_id="UTC") for path in ("/rooms/1", "/admin/invites")
    )
    times = [room.locator(".message time"), links.locator("main time").first]
    moments = [datetime.fromisoformat(time.get_attribute("datetime") or "") for time in times]
    alice.submit("/profile/times", {"time_zone": "Asia/Tokyo", "hours": "24"})
    there = [moment.astimezone(ZoneInfo("Asia/Tokyo")) for moment in moments]
    for time, moment in zip(times, there, strict=True):
        expect(time).to_have_text(re.compile(rf"(^|\s){moment:%H:%M}$"))
    expect(room.locator(".message")).to_have_attribute("data-day", "Today")
    alice.submit("/profile/times", {"time_zone": "", "hours": ""})
    for time, moment in zip(times, moments, strict=True):
        expect(time).to_have_text(re.compile(rf"(^|\s){moment:%-I:%M\s%p}$"))
