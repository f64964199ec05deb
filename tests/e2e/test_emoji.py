"""The picker of emoji: categories, search, skin tone, and the recently used; for messages and reactions alike."""

import re

from playwright.sync_api import Locator, Page, Route, expect

from tests.support.browsers import PHONE, Windows, accessibility_violations, choose, open_menu, wait_until
from tests.support.people import Person

CATEGORIES = [
    "Smileys", "People", "Animals and nature", "Food and drink", "Travel and places", "Activities", "Objects",
    "Symbols", "Flags",
]  # fmt: skip


def open_picker(page: Page) -> Locator:
    """Open the picker of the composer and return it, with all its emoji."""
    page.click("#pick")
    picker = page.locator("#picker")
    expect(picker.locator("h2")).to_have_count(len(CATEGORIES) + 1)
    return picker


def test_the_emoji_of_a_person_are_found_by_category_and_remembered(alice: Person, windows: Windows) -> None:
    alice.post(1, "lunch?")
    page, other = windows.open_as(alice, "/rooms/1"), windows.open_as(alice, "/rooms/1")
    picker = open_picker(page)
    expect(picker.locator("h2")).to_have_text(["Often used", *CATEGORIES])
    picker.get_by_title("Food and drink").click()
    heading, scroller = picker.get_by_role("heading", name="Food and drink"), picker.locator(".emoji-list")
    wait_until(lambda: abs(top(heading) - top(scroller)) < 3, page)
    expect(picker.locator("[value='🍇']")).to_be_focused()
    picker.locator("[value='🍕']").click()
    expect(picker).to_be_hidden()
    expect(page.locator("#body")).to_have_value("🍕")
    choose(page, 1, "Add a reaction")
    page.locator("#menu").get_by_title("Travel and places").click()
    page.locator("#menu [value='🌋']").click()
    expect(page.locator("#m-1 .reaction")).to_have_attribute("value", "🌋")
    for each in (page, other):
        recent = open_picker(each).locator(".lately")
        expect(recent.locator("h2")).to_have_text("Recently used")
        expect(recent.locator("button")).to_have_text(["🌋", "🍕"])
    choose(other, 1, "Add a reaction")
    expect(other.locator("#menu .lately button")).to_have_text(["🌋", "🍕"])


def top(place: Locator) -> float:
    box = place.bounding_box()
    assert box
    return box["y"]


def test_a_chosen_skin_tone_counts_wherever_emoji_are_chosen(alice: Person, windows: Windows) -> None:
    alice.post(1, "hello")
    page, other, elsewhere = (windows.open_as(alice, path) for path in ("/rooms/1", "/rooms/1", "/people"))
    picker = open_picker(page)
    picker.get_by_label("Skin tone").select_option("✋🏽")
    expect(picker.locator("[title=':clap:']").first).to_have_text("👏🏽")
    expect(picker.locator("#emoji-2 button").first).to_have_text("👋🏽")
    expect(picker.locator("#emoji-4 button").first).to_have_text("🍇")
    picker.get_by_label("Find an emoji").press_sequentially("wave")
    expect(picker.locator(".found button").first).to_have_text("👋🏽")
    picker.locator(".found button").first.click()
    expect(page.locator("#body")).to_have_value("👋🏽")
    page.keyboard.type(" :wav")
    expect(page.locator("#completions li").first).to_contain_text("👋🏽")
    for each in (page, other):
        each.hover("#m-1")
        expect(each.locator("#bar button").first).to_have_text("👍🏽")
    expect(open_menu(page, 1).locator(".quick-reactions button").first).to_have_attribute("value", "👍🏽")
    page.keyboard.press("Escape")
    choose(other, 1, "Add a reaction")
    expect(other.locator("#menu .lately button")).to_have_text(["👋🏽"])
    other.locator("#menu").get_by_label("Skin tone").select_option("✋")
    expect(other.locator("#menu .lately button")).to_have_text(["👋"])
    expect(page.locator("#bar button").first).to_have_text("👍")
    other.locator("#menu .lately button").click()
    expect(other.locator("#m-1 .reaction")).to_have_attribute("value", "👋")
    expect(elsewhere.locator("#main")).to_be_visible()


def test_the_keyboard_leads_through_the_rows_of_emoji(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    picker = open_picker(page)
    value = "document.activeElement.value"
    for keys, chosen in (
        ("ArrowDown", "👍"), ("ArrowRight", "❤️"), ("ArrowDown", "🤔"), ("ArrowLeft", "😂"), ("ArrowDown", "😀"),
        ("Tab", "👋"), ("Shift+Tab", "😀"),
    ):  # fmt: skip
        page.keyboard.press(keys)
        assert page.evaluate(value) == chosen, keys
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    expect(picker.get_by_label("Find an emoji")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#body")).to_have_value("❤️")
    expect(page.locator("#body")).to_be_focused()


def test_enter_takes_the_first_emoji_of_the_present_search(alice: Person, windows: Windows) -> None:
    alice.post(1, "cake?")
    page = windows.open_as(alice, "/rooms/1")
    held: list[Route] = []
    page.route(re.compile(r"/emoji\?q=shortcake$"), lambda route: held.append(route))  # noqa: PLW0108  Playwright marks what it is given
    choose(page, 1, "Add a reaction")
    menu = page.locator("#menu")
    expect(menu.get_by_label("Find an emoji")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("rocket")
    expect(menu.locator(".found button")).to_have_text(["🚀"])
    menu.get_by_label("Find an emoji").fill("shortcake")
    page.keyboard.press("Enter")
    wait_until(lambda: bool(held), page)
    expect(menu).to_be_visible()
    for route in held:
        route.continue_()
    expect(page.locator("#m-1 .reaction")).to_have_attribute("value", "🍰")
    expect(menu).to_be_hidden()
    assert page.locator("#m-1 .reaction").count() == 1


def test_the_picker_fits_a_phone_with_its_keyboard(alice: Person, windows: Windows) -> None:
    alice.post(1, "cake?")
    alice.submit("/messages/1/reactions", {"emoji": "🎉"})
    page = windows.open_as(alice, "/rooms/1", viewport={**PHONE, "height": 400}, has_touch=True, is_mobile=True)
    open_picker(page)
    for place in ("#picker", "#menu"):
        box = page.locator(place).bounding_box()
        assert box
        assert min(box["x"], box["y"]) >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert box["y"] + box["height"] <= 400
        assert accessibility_violations(page) == []
        page.keyboard.press("Escape")
        if place == "#picker":
            page.tap("#m-1 .react")
            expect(page.locator("#menu h2")).to_have_count(len(CATEGORIES) + 1)
            # It slides in.
            page.locator("#menu [value='😀']").tap(trial=True)


def test_a_member_finds_and_tones_a_reaction_without_javascript(alice: Person, windows: Windows) -> None:
    alice.post(1, "cake?")
    page = windows.open_as(alice, "/messages/1/reactions", java_script_enabled=False)
    picker = page.locator(".picking")
    expect(picker.locator("h2")).to_have_text(["Often used", *CATEGORIES])
    picker.get_by_label("Skin tone").select_option("✋🏿")
    picker.locator("[formaction='/emoji/tone']").click()
    picker.get_by_label("Find an emoji").fill("wave")
    page.keyboard.press("Enter")
    picker.locator(".found button").first.click()
    expect(page.locator("#m-1 .reaction")).to_have_attribute("value", "👋🏿")
