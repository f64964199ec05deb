"""A member's preferences show at once on every page."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import ColorScheme, Windows
from tests.support.databases import query
from tests.support.people import Person, sign_up


def test_ending_a_session_from_the_profile_closes_its_page(alice: Person, windows: Windows) -> None:
    elsewhere = windows.open_as(alice, "/rooms/1")
    elsewhere.fill("#body", "not sent yet")
    page = windows.open_as(alice, "/profile")
    expect(page.locator("#sessions .list > li")).to_have_count(3)
    expect(page.locator("#sessions .list > li").first).to_contain_text("This browser")
    expect(page.locator("#sessions .list > li").first).to_contain_text("Chrome on Linux")
    page.click("text=Sign out all others")
    expect(page.locator("#sessions .saved")).to_have_text("All your other browsers are signed out.")
    expect(page.locator("#sessions h2")).to_be_in_viewport()
    expect(page.locator("#sessions .list > li")).to_have_count(1)
    expect(elsewhere.locator("#notice")).to_contain_text("You are signed out")
    expect(elsewhere.locator("#body")).to_have_value("not sent yet")


COLOURS = """[document.body, ...document.querySelectorAll(".avatar, .hl-k, .hl-s, #body")].map(
    element => ["color", "backgroundColor"].map(name => getComputedStyle(element)[name]).join())"""


def colours(page: Page) -> list[str]:
    found: list[str] = page.evaluate(COLOURS)
    return found


@pytest.mark.parametrize(("chosen", "other"), [("dark", "light"), ("light", "dark")])
def test_the_chosen_theme_looks_like_the_systems_theme(
    alice: Person, windows: Windows, chosen: ColorScheme, other: ColorScheme
) -> None:
    alice.post(1, "```python\nfor each in 'abc': pass\n```")
    expected = colours(windows.open_as(alice, "/rooms/1", color_scheme=chosen))
    page = windows.open_as(alice, "/rooms/1", color_scheme=other)
    assert colours(page) != expected
    second = page.context.new_page()
    second.goto(f"{alice.server.url}/profile")
    second.check(f"#look input[value={chosen}]")
    second.click("#look >> button")
    expect(second.locator("#look .saved")).to_be_in_viewport()
    page.reload()
    assert colours(page) == expected
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == chosen


CONTRASTS = """() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (colour) => {
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...paint.getImageData(0, 0, 1, 1).data].map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const avatar = document.querySelector(".who .avatar");
  return [...Array(12).keys()].map((hue) => {
    avatar.className = `avatar hue-${hue}`;
    const { color, backgroundColor } = getComputedStyle(avatar);
    const [text, ground] = [luminance(color), luminance(backgroundColor)];
    return [Math.max(text, ground) / Math.min(text, ground), backgroundColor];
  });
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_initials_are_readable_in_each_of_twelve_colours(alice: Person, windows: Windows, theme: ColorScheme) -> None:
    page = windows.open_as(alice, "/profile", color_scheme=theme)
    found = page.evaluate(CONTRASTS)
    assert len({colour for _, colour in found}) == 12
    assert min(contrast for contrast, _ in found) >= 4.5, found


def test_a_room_shows_times_in_the_chosen_zone_and_clock(alice: Person, windows: Windows) -> None:
    for number in range(2):
        alice.post(1, f"message {number}")
    moments = ("2026-03-04 22:06Z", "2026-03-04 23:30Z")
    for number, moment in enumerate(moments, start=1):
        query(alice.server.database_url, f"UPDATE messages SET created_at = '{moment}' WHERE id = {number} RETURNING 1")
    alice.submit("/profile/times", {"time_zone": "Europe/Berlin", "hours": "12"})
    page = windows.open_as(alice, "/rooms/1", timezone_id="America/New_York")
    expect(page.locator("#messages time").first).to_have_text("11:06 pm")
    expect(page.locator("#messages .starts-day")).to_have_count(2)
    days = [each.get_attribute("data-day") or "" for each in page.locator("#messages .message").all()]
    assert [re.findall(r"\d+ March", each) for each in days] == [["4 March"], ["5 March"]]
    alice.submit("/profile/times", {"time_zone": "", "hours": "24"})
    page.reload()
    expect(page.locator("#messages time").first).to_have_text("17:06")
    expect(page.locator("#messages .starts-day")).to_have_count(1)
    alice.submit("/profile/times", {"time_zone": "Asia/Tokyo", "hours": ""})
    page.reload()
    expect(page.locator("#messages time").first).to_have_text("07:06")


def test_pages_use_the_browsers_zone_by_default_and_utc_without_scripts(alice: Person, windows: Windows) -> None:
    sign_up(alice.server, "Bob Brown").post(1, "hello @Alice Adams")
    query(alice.server.database_url, "UPDATE messages SET created_at = '2026-03-04 22:06Z' RETURNING 1")
    page = windows.open_as(alice, "/mentions", timezone_id="Asia/Tokyo")
    expect(page.locator(".mentions time")).to_have_text(re.compile(r"^Thursday,? 5 March 2026 at 07:06$"))
    plain = windows.open_as(alice, "/rooms/1", timezone_id="Asia/Tokyo", java_script_enabled=False)
    expect(plain.locator("#messages time")).to_have_text("22:06")
    expect(plain.locator("#messages time")).to_have_attribute("title", "22:06 UTC")


def test_choosing_no_notifications_silences_open_pages(alice: Person, windows: Windows) -> None:
    bob, garden = sign_up(alice.server, "Bob Brown"), alice.create_room("Garden")
    bob.join(garden)
    page = windows.open_as(alice, "/rooms/1")
    bob.post(garden, "hello")
    badge = page.locator("nav a:has-text('Garden') .badge:not(.mentioned)")
    expect(badge).to_be_visible()
    profile = page.context.new_page()
    profile.goto(f"{alice.server.url}/profile")
    profile.check("#levels input[name=room_level][value=nothing]")
    profile.click("#levels >> button")
    expect(profile.locator("#levels .saved")).to_contain_text("from now on")
    expect(badge).to_be_visible()
    profile.check("#levels >> text=Also change my present rooms")
    profile.click("#levels >> button")
    expect(badge).to_be_hidden()


def test_the_profile_works_without_scripts_and_shows_errors_in_place(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/profile", java_script_enabled=False, expected=("422",))
    page.fill("#current_password", "wrong")
    page.fill("#password", "another fine password")
    page.click("text=Change password")
    expect(page.locator("#new-password .field-error")).to_have_text("This is not your current password.")
    expect(page.locator("#new-password .field-error")).to_be_in_viewport()
    page.fill("#name", "Alice Abbot")
    page.click("text=Change name")
    expect(page.locator("#about .saved")).to_be_in_viewport()
    expect(page.locator(".who")).to_contain_text("Alice Abbot")


def test_every_time_on_every_page_is_in_the_readers_zone(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    alice.submit("/admin/invite", {"days": "7", "uses": "1"})
    alice.submit(f"/rooms/{garden}/invite", {"days": "7", "uses": "1"})
    alice.submit("/status", {"text": "away", "until": "60"})
    bob.post(1, "hello @Alice Adams")
    alice.submit("/messages/1/pin", {"pinned": "yes"})
    page = windows.open_as(alice, "/rooms/1", timezone_id="Asia/Tokyo", locale="en-GB")
    for path, shows_a_day in (
        ("/admin", True),
        ("/admin/invites", True),
        (f"/rooms/{garden}/invite", True),
        ("/status", False),
        ("/profile", True),
        ("/mentions", True),
        ("/rooms/1/pinned", True),
        ("/rooms/1", False),
        (f"/people/{bob.id}", False),
    ):
        page.goto(f"{alice.server.url}{path}")
        times = page.locator("main time")
        if shows_a_day:
            expect(times.first).not_to_contain_text("UTC")
            assert re.fullmatch(r"\w+,? \d+ \w+ \d{4} at \d\d:\d\d", times.first.inner_text()), path
        assert "UTC" not in "".join(times.all_inner_texts()), path
