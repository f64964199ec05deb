"""Switching rooms: only the part around the conversation is loaded; sidebar, socket and history stay right."""

import random
import re
import threading

from playwright.sync_api import Page, Request, WebSocket, expect

from tests.support.browsers import LOST_SERVER, PHONE, Windows, post_by_forms, wait_until, wait_until_runs
from tests.support.people import Person
from tests.support.server import ChatServer


def to_room(page: Page, name: str) -> None:
    page.click(f"#sidebar .rooms >> text={name}")
    expect(page.locator("h1")).to_contain_text(name)
    expect(page).to_have_title(re.compile(rf"{name} ·"))


def arrange(alice: Person) -> tuple[int, int]:
    """Make two rooms of Alice and Bob with a message each."""
    garden, kitchen = alice.create_room("Garden"), alice.create_room("Kitchen")
    alice.post(garden, "roses")
    alice.post(kitchen, "soup")
    return garden, kitchen


def shown(page: Page) -> list[str]:
    return page.locator("#messages .body").all_inner_texts()


def same_page(page: Page) -> None:
    """Mark a page, so that `is_same` tells whether it is still this one."""
    wait_until_runs(page, "switching")
    page.evaluate("window.isMarked = true")


def is_same(page: Page) -> bool:
    return bool(page.evaluate("window.isMarked === true"))


def test_a_reader_switches_rooms_in_one_page_on_one_socket(alice: Person, bob: Person, windows: Windows) -> None:
    garden, kitchen = arrange(alice)
    for room in (garden, kitchen):
        bob.submit(f"/rooms/{room}/join")
    page = windows.open(storage_state=windows.open_as(alice).context.storage_state())
    sockets: list[WebSocket] = []
    page.on("websocket", lambda socket: sockets.append(socket))  # noqa: PLW0108  Playwright wants a function
    page.goto(f"{alice.server.url}/rooms/{garden}")
    same_page(page)
    list_of = page.locator("#messages .body")
    to_room(page, "Kitchen")
    expect(page).to_have_url(f"{alice.server.url}/rooms/{kitchen}")
    expect(list_of).to_have_text(["soup"])
    # The box has the keyboard, as on a loaded page.
    expect(page.locator("#body")).to_be_focused()
    bob.post(garden, "tulips")
    bob.post(kitchen, "salad")
    expect(list_of).to_have_text(["soup", "salad"])
    expect(page.locator(f"#sidebar a[data-room='{garden}'] .badge").first).to_have_text(re.compile("1"))
    expect(page.locator("#sidebar a[aria-current] .one-line")).to_have_text(["Kitchen"])
    expect(page.locator("#sidebar a[aria-current] .badge").first).to_be_hidden()
    page.fill("#body", "half a thought")
    page.go_back()
    expect(list_of).to_have_text(["roses", "tulips"])
    expect(page.locator("#body")).to_have_value("")
    expect(page.locator(f"#sidebar a[data-room='{kitchen}']")).to_have_attribute("data-unsent", "Draft")
    expect(page).to_have_title(re.compile("^Garden · "))
    page.fill("#body", "and lilies")
    page.keyboard.press("Enter")
    expect(list_of).to_have_text(["roses", "tulips", "and lilies"])
    page.go_forward()
    expect(page.locator("#body")).to_have_value("half a thought")
    expect(list_of).to_have_text(["soup", "salad"])
    to_room(page, "Kitchen")
    bob.post(kitchen, "bread")
    expect(list_of).to_have_text(["soup", "salad", "bread"])
    assert is_same(page)
    assert len(sockets) == 1
    assert "lilies" in bob.get(f"/rooms/{garden}").text
    page.reload()
    expect(list_of).to_have_text(["soup", "salad", "bread"])
    expect(page).to_have_url(f"{alice.server.url}/rooms/{kitchen}")


def test_every_message_shows_once_while_a_reader_switches_quickly(alice: Person, bob: Person, windows: Windows) -> None:
    rooms = arrange(alice)
    for room in rooms:
        bob.submit(f"/rooms/{room}/join")
    page = windows.open_as(alice, f"/rooms/{rooms[0]}")
    same_page(page)
    is_done = threading.Event()

    def post() -> None:
        for number in range(60):
            bob.post(rooms[number % 2], f"number {number}")
        is_done.set()

    author = threading.Thread(target=post)
    author.start()
    chance = random.Random(13)
    while not is_done.is_set():
        page.click(f"#sidebar .rooms a[data-room='{chance.choice(rooms)}']")
        page.wait_for_timeout(chance.uniform(0, 60))
    author.join()
    for place, (name, first) in enumerate((("Garden", "roses"), ("Kitchen", "soup"))):
        to_room(page, name)
        wanted = [first] + [f"number {number}" for number in range(place, 60, 2)]
        expect(page.locator("#messages .body").last).to_have_text(wanted[-1])
        found = shown(page)
        assert found == wanted[-len(found) :]
    assert is_same(page)


def test_scrolling_up_a_room_just_switched_to_shows_all_its_messages_once(
    alice: Person, bob: Person, windows: Windows
) -> None:
    garden, kitchen = arrange(alice)
    said = ["soup", *(f"number {number}" for number in range(60))]
    for text in said[1:]:
        alice.post(kitchen, text)
    alice.submit(f"/rooms/{kitchen}/read", {"position": len(said)})
    page = windows.open_as(alice, f"/rooms/{garden}")
    same_page(page)
    to_room(page, "Kitchen")
    assert shown(page)[-25:] == said[-25:]
    for _ in range(100):
        page.locator("#scroller").evaluate("scroller => scroller.scrollBy(0, -300)")
        if shown(page)[0] == "soup":
            break
        page.wait_for_timeout(50)
    wait_until(lambda: shown(page) == said, page)
    assert is_same(page)


def test_a_room_seen_before_comes_back_with_all_that_has_changed(alice: Person, bob: Person, windows: Windows) -> None:
    garden, kitchen = arrange(alice)
    for room in (garden, kitchen):
        bob.submit(f"/rooms/{room}/join")
    bob.post(garden, "with a typo")
    bob.post(garden, "to be deleted")
    page = windows.open_as(alice, f"/rooms/{garden}")
    same_page(page)
    page.fill("#body", "half a thought")
    to_room(page, "Kitchen")
    fetched: list[str] = []

    def note(request: Request) -> None:
        # A pointer that passes by may fetch the lobby.
        if "x-part" in request.headers and not request.url.endswith("/rooms/1"):
            fetched.append(request.url)

    page.on("request", note)
    ids = [int(found) for found in re.findall(r'<li id="m-(\d+)"', bob.get(f"/rooms/{garden}").text)]
    bob.edit(ids[1], "without a typo")
    bob.delete(ids[2])
    bob.post(garden, "new here")
    alice.submit(f"/rooms/{garden}/settings", {"name": "Garden", "topic": "All that grows"})
    bob.submit("/profile/name", {"name": "Robert Brown"})
    expect(page.locator(f"#sidebar a[data-room='{garden}'] .badge").first).to_have_text(re.compile("1"))
    to_room(page, "Garden")
    texts = ["roses", "without a typo (edited)", "This message was deleted.", "new here"]
    expect(page.locator("#messages .body")).to_have_text(texts)
    expect(page.locator(".first-new .body")).to_have_text("new here")
    expect(page.locator("#messages .author").last).to_have_text("Robert Brown")
    expect(page.locator("#topic")).to_have_text("All that grows")
    expect(page.locator("#body")).to_have_value("half a thought")
    page.fill("#body", "")
    to_room(page, "Kitchen")
    before = len(fetched)
    to_room(page, "Garden")
    to_room(page, "Kitchen")
    expect(page.locator("#messages .body")).to_have_text(["soup"])
    assert len(fetched) == before, "a room seen before is not fetched again"
    for number in range(30):
        bob.post(garden, f"tulip {number}")
    expect(page.locator(f"#sidebar a[data-room='{garden}'] .badge").first).to_have_text(re.compile("30"))
    to_room(page, "Garden")
    expect(page.locator("#messages .body").last).to_have_text("tulip 29")
    expect(page.locator(".first-new .body")).to_have_text("tulip 0")
    assert len(fetched) == before + 1, "many new messages are fetched, from the first"
    assert is_same(page)


def test_a_long_room_comes_back_with_what_fills_it_and_scrolling_brings_the_rest(
    alice: Person, windows: Windows
) -> None:
    garden, _ = arrange(alice)
    poems = [f"poem {number}" for number in range(20)]
    for poem in poems:
        alice.post(garden, "\n".join([poem] * 9))
    page = windows.open_as(alice, f"/rooms/{garden}")
    same_page(page)
    expect(page.locator("#messages > li")).to_have_count(21)
    to_room(page, "Kitchen")
    to_room(page, "Garden")
    expect(page.locator("#messages > li").last).to_be_in_viewport()
    assert 3 < page.locator("#messages > li").count() < 21
    page.evaluate("document.getElementById('scroller').scrollTo(0, -100000)")
    expect(page.locator("#messages > li")).to_have_count(21)
    expect(page.locator("#messages .body")).to_contain_text(["roses", *poems])
    assert is_same(page)


def test_hovering_fetches_a_room_and_only_going_there_makes_it_the_last(alice: Person, windows: Windows) -> None:
    garden, kitchen = arrange(alice)
    page = windows.open_as(alice, f"/rooms/{garden}")
    same_page(page)
    fetched: list[str] = []

    def note(request: Request) -> None:
        if "x-part" in request.headers:
            fetched.append(request.url)

    page.on("request", note)
    with page.expect_response(f"**/rooms/{kitchen}"):
        page.hover(f"#sidebar a[data-room='{kitchen}']")

    def last() -> str | None:
        cookies = page.context.cookies()
        return next((cookie.get("value") for cookie in cookies if cookie.get("name") == "room"), None)

    assert last() == str(garden)
    to_room(page, "Kitchen")
    wait_until(lambda: last() == str(kitchen), page)
    # A slow machine may take the pointer for resting on a link that it passes.
    assert fetched.count(f"{alice.server.url}/rooms/{kitchen}") == 1, "what was fetched while hovering is used"


def test_a_message_that_waits_in_a_left_room_is_sent(alice: Person, windows: Windows) -> None:
    garden, _ = arrange(alice)
    page = windows.open_as(alice, f"/rooms/{garden}", expected=LOST_SERVER)
    same_page(page)
    post_by_forms(page)
    page.route(f"**/rooms/{garden}/messages", lambda route: route.abort())
    page.fill("#body", "sent from elsewhere")
    page.keyboard.press("Enter")
    expect(page.locator("#outbox .why")).to_contain_text("Waiting")
    to_room(page, "Kitchen")
    page.unroute_all()
    wait_until(lambda: "sent from elsewhere" in alice.get(f"/rooms/{garden}").text, page)
    to_room(page, "Garden")
    expect(page.locator("#messages .body")).to_have_text(["roses", "sent from elsewhere"])
    expect(page.locator("#outbox > li")).to_have_count(0)
    assert is_same(page)


def test_a_phone_goes_to_its_list_and_back(alice: Person, windows: Windows) -> None:
    garden, _ = arrange(alice)
    page = windows.open_as(alice, f"/rooms/{garden}", viewport=PHONE, has_touch=True, is_mobile=True)
    same_page(page)
    page.tap(".back")
    expect(page.locator("#sidebar")).to_be_visible()
    expect(page).to_have_title("Willow Street School")
    page.tap("#sidebar .rooms >> text=Kitchen")
    expect(page.locator("#sidebar")).to_be_hidden()
    expect(page.locator("#messages .body")).to_have_text(["soup"])
    # No keyboard covers the messages.
    expect(page.locator("#main")).to_be_focused()
    page.go_back()
    expect(page.locator("#sidebar")).to_be_visible()
    assert is_same(page)


def test_a_link_to_a_message_of_another_room_opens_at_it(alice: Person, windows: Windows) -> None:
    garden, kitchen = arrange(alice)
    first = int(re.findall(r'id="m-(\d+)"', alice.post(kitchen, "the very first recipe").text)[-1])
    for number in range(80):
        alice.post(kitchen, f"recipe {number}")
    page = windows.open_as(alice, f"/rooms/{garden}")
    same_page(page)
    page.evaluate(f"location.assign('/rooms/{kitchen}/messages/{first}#m-{first}')")
    message = page.locator(f"#m-{first}")
    expect(message).to_be_in_viewport()
    expect(page).to_have_url(re.compile(f"#m-{first}$"))
    assert is_same(page)
    page.click("#way-down a")
    expect(page.locator("#messages .body").last).to_have_text("recipe 79")
    alice.post(kitchen, "one more")
    expect(page.locator("#messages .body").last).to_have_text("one more")
    assert is_same(page)


def test_an_address_of_a_room_in_a_message_opens_in_the_same_tab(alice: Person, windows: Windows) -> None:
    garden, kitchen = arrange(alice)
    alice.post(garden, f"see {alice.server.url}/rooms/{kitchen} and https://example.org/rooms/{kitchen}")
    page = windows.open_as(alice, f"/rooms/{garden}")
    same_page(page)
    own, foreign = page.locator("#messages .body a").all()
    foreign.hover()
    own.click()
    expect(page.locator("#messages .body")).to_have_text(["soup"])
    assert is_same(page)
    page.go_back()
    expect(own).not_to_have_attribute("target", "_blank")
    expect(foreign).to_have_attribute("target", "_blank")
    assert len(page.context.pages) == 1


def test_without_a_server_a_reader_stays_where_they_are(alice: Person, server: ChatServer, windows: Windows) -> None:
    garden, _ = arrange(alice)
    page = windows.open_as(alice, f"/rooms/{garden}", expected=LOST_SERVER)
    same_page(page)
    server.kill()
    page.click("#sidebar .rooms >> text=Kitchen")
    expect(page.locator("#notice")).to_contain_text("The server cannot be reached")
    expect(page).to_have_url(f"{alice.server.url}/rooms/{garden}")
    expect(page.locator("#messages .body")).to_have_text(["roses"])
    server.start()
    to_room(page, "Kitchen")
    expect(page.locator("#messages .body")).to_have_text(["soup"])
    assert is_same(page)
    alice.post(garden, "peas")
    alice.post(int(page.url.rpartition("/")[2]), "stew")
    expect(page.locator("#messages .body")).to_have_text(["soup", "stew"])


def test_a_room_that_is_not_the_readers_is_a_page_of_its_own(alice: Person, bob: Person, windows: Windows) -> None:
    garden, kitchen = arrange(alice)
    bob.submit(f"/rooms/{garden}/join")
    page = windows.open_as(bob, f"/rooms/{garden}", expected=["404"])
    same_page(page)
    page.evaluate(f"location.assign('/rooms/{kitchen}')")
    expect(page.get_by_role("button", name="Join")).to_be_visible()
    page.goto(f"{bob.server.url}/rooms/{garden}")
    same_page(page)
    page.evaluate("location.assign('/rooms/999')")
    expect(page.locator("h1")).to_contain_text(re.compile("There is nothing here"))
