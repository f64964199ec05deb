"""People over a room: the card that a name opens, and what happens elsewhere."""

from playwright.sync_api import expect

from tests.support.browsers import LOST_SERVER, PHONE, Windows, accessibility_violations
from tests.support.people import Person


def test_a_name_opens_a_card_over_the_room(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "hello @Alice Adams")
    bob.submit("/status", {"emoji": "🌴", "text": "On holiday", "until": "always"})
    bob.submit("/profile/times", {"time_zone": "Asia/Seoul", "hours": ""})
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    page.fill("#body", "half a thought")
    card = page.locator("#card")
    page.click("#m-1 .author")
    expect(card).to_contain_text("Bob Brown")
    for text in ("Offline", "🌴 On holiday", "there", "Profile"):
        expect(card).to_contain_text(text)
    expect(card).to_be_in_viewport(ratio=1)
    assert accessibility_violations(page) == []
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(page).to_have_url(f"{alice.server.url}/rooms/1")
    page.click("#m-1 .mention")
    expect(card).to_contain_text("Alice Adams (you)")
    page.keyboard.press("Escape")
    page.click("#m-1 .author")
    card.locator("text=Message").click()
    expect(page.locator("h1")).to_contain_text("Bob Brown")
    page.goto(f"{alice.server.url}/rooms/1")
    expect(page.locator("#body")).to_have_value("half a thought")
    page.route("**/card", lambda route: route.abort())
    page.click("#m-1 .author")
    expect(page).to_have_url(f"{alice.server.url}/people/{bob.id}")
    plain = windows.open_as(alice, "/rooms/1", java_script_enabled=False)
    plain.click("#m-1 .author")
    expect(plain).to_have_url(f"{alice.server.url}/people/{bob.id}")


def test_the_back_arrow_of_a_phone_counts_what_is_elsewhere(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    bob.submit(f"/rooms/{garden}/level", {"level": "everything"})
    page = windows.open_as(bob, "/rooms/1", viewport=PHONE)
    badge = page.locator(".back > .badge")
    expect(badge).to_be_hidden()
    alice.post(1, "here, @Bob Brown")
    alice.post(garden, "one")
    alice.post(garden, "two")
    expect(badge).to_have_text("2 in other rooms")
    alice.post(garden, "and you, @Bob Brown?")
    plain = windows.open_as(bob, "/rooms/1", viewport=PHONE, java_script_enabled=False)
    for each in (badge, plain.locator(".back > .badge")):
        expect(each).to_have_text("1 in other rooms")
        expect(each).to_contain_class("mentioned")
    alice.submit("/rooms/1/settings", {"name": "Great hall"})
    expect(page.locator("h1")).to_contain_text("Great hall")
    expect(badge).to_have_text("1 in other rooms")
    page.click(".back")
    page.click("text=Mark all as read")
    page.click("nav >> text=Great hall")
    expect(badge).to_be_hidden()
