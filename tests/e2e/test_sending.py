"""Sending: the outbox on slow connections and in several pages, and drafts."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.support.browsers import LOST_SERVER, Windows, post_by_forms, send, unsent, wait_until, wait_until_live
from tests.support.databases import query
from tests.support.people import PASSWORD, Person, sign_up

POSTS = re.compile(r"/rooms/\d+/messages$")


def hold_back(page: Page, url: str | re.Pattern[str], fails: bool = False) -> list[Callable[[], None]]:
    """Hold a page's requests to an address; calling an item lets its request continue or fail."""
    held: list[Callable[[], None]] = []
    post_by_forms(page)
    page.route(url, lambda route: held.append(route.abort if fails else route.continue_))
    return held


def release(page: Page, held: list[Callable[[], None]]) -> None:
    wait_until(lambda: bool(held), page)
    held.pop()()


def break_off(page: Page) -> None:
    """Let every message of a page fail as if there were no network."""
    post_by_forms(page)
    page.route(POSTS, lambda route: route.abort())


def kept(page: Page) -> dict[str, str]:
    """Return the storage of the page's browser."""
    found: dict[str, str] = page.evaluate("({...localStorage})")
    return found


# Notes at every frame of the screen how often a text stands in the conversation, and how far from its top.
WATCH = """text => {
    const seen = window.seen = [];
    const look = () => {
        if (seen !== window.seen) return;
        const shown = [...document.querySelectorAll("#messages .body, #outbox .body")].filter(
            (body) => body.innerText.trim() === text);
        const top = shown[0]?.closest(".message").getBoundingClientRect().top;
        seen.push([shown.length, Math.round(top ?? -1)]);
        requestAnimationFrame(look);
    };
    look();
}"""


def sightings(page: Page) -> list[tuple[int, int]]:
    """Return the notes of `WATCH` since the text was first there, without repetitions."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    seen = [(count, top) for count, top in page.evaluate("window.seen") if count]
    return [each for number, each in enumerate(seen) if number == 0 or seen[number - 1] != each]


def test_a_sent_message_stands_in_the_list_at_once_and_once(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "hello")
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    routes: list[Route] = []
    post_by_forms(page)
    page.route(POSTS, lambda route: routes.append(route))  # noqa: PLW0108  Playwright marks what it is given
    page.evaluate(WATCH, "first")
    send(page, "first")
    expect(page.locator("#body")).to_have_value("")
    expect(unsent(page).locator(".sending")).to_be_visible()
    wait_until(lambda: bool(routes), page)
    answer = routes[0].fetch()
    expect(page.locator("#messages .body").last).to_have_text("first")
    expect(unsent(page)).to_have_count(0)
    routes[0].fulfill(response=answer)
    assert len(sightings(page)) == 1, "the frame of the socket came before the answer"
    page.unroute(POSTS)
    page.evaluate(WATCH, "second")
    page.evaluate("document.getElementById('live')._htmx.ws.connection.socket.close()")
    send(page, "second")
    expect(page.locator("#messages .body")).to_have_text(["hello", "first", "second"])
    assert len(sightings(page)) == 1, "the answer came before the frame"
    wait_until_live(page)
    send(page, "third")
    expect(page.locator("#messages .body")).to_have_text(["hello", "first", "second", "third"])
    assert alice.reads(1) == ["hello", "first", "second", "third"]


# Presses Enter a hundred times, and returns the milliseconds after which each message was laid out in the list.
TIMES = """() => {
    const box = document.getElementById("body"), outbox = document.getElementById("outbox"), times = [];
    for (let number = 0; number < 100; number += 1) {
        box.value = `message ${number} of some words`;
        const start = performance.now(), key = { key: "Enter", bubbles: true, cancelable: true };
        box.dispatchEvent(new KeyboardEvent("keydown", key));
        const shown = outbox.lastElementChild.getBoundingClientRect();
        times.push(performance.now() - start);
        if (outbox.children.length !== number + 1 || !shown.height || box.value) throw new Error("it does not stand");
    }
    return times;
}"""


def test_a_message_stands_in_the_list_before_its_enter_is_over(alice: Person, windows: Windows) -> None:
    """No network and no later task is waited for; the time is printed, as a busy machine has no limit."""
    for number in range(50):
        alice.post(1, f"message {number} of a page full of them")
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    break_off(page)
    times = sorted(page.evaluate(TIMES))
    print(f"from Enter to the list: median {times[50]:.1f} ms, of a hundred the slowest {times[-1]:.1f} ms")
    expect(unsent(page)).to_have_count(100)


def test_messages_sent_during_a_send_are_queued_in_order(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    box, posts = page.locator("#body"), hold_back(page, POSTS)
    box.press_sequentially("first")
    page.keyboard.press("Enter")
    page.keyboard.insert_text("second, pasted")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.type("third")
    page.keyboard.press("Enter")
    page.keyboard.type("half a thou")
    expect(box).to_have_value("half a thou")
    texts = ["first", "second, pasted", "third"]
    expect(unsent(page).locator(".body")).to_have_text(texts)
    wait_until(lambda: bool(posts), page)
    break_off(page)
    assert len(posts) == 1, "one after the other"
    release(page, posts)
    expect(unsent(page).nth(1)).to_contain_text("Waiting for the connection.")
    page.wait_for_timeout(300)
    assert alice.reads(1) == ["first"], "the third does not overtake the second"
    page.unroute(POSTS)
    expect(page.locator("#messages .body")).to_have_text(texts)
    expect(box).to_have_value("half a thou")
    assert alice.reads(1) == texts


def test_a_message_whose_answer_was_lost_is_posted_once(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    # Nothing of what others do reaches this page.
    page.evaluate("document.getElementById('live').remove()")
    held: list[Callable[[], None]] = []

    def lose_answer(route: Route) -> None:
        route.fetch()
        held.append(lambda: None)
        route.abort()

    page.route(POSTS, lose_answer)
    send(page, "first")
    page.keyboard.type(" and then")
    expect(unsent(page)).to_contain_text("Waiting for the connection.")
    wait_until(lambda: len(held) > 1, page)
    page.unroute(POSTS)
    expect(page.locator("#messages .body")).to_have_text(["first"])
    expect(unsent(page)).to_have_count(0)
    expect(page.locator("#body")).to_have_value(" and then")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text(["first", "and then"])
    assert alice.reads(1) == ["first", "and then"]


def test_a_waiting_message_is_retried_edited_and_discarded(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    box = page.locator("#body")
    break_off(page)
    for text in ("one", "two\nlines", "three"):
        send(page, text)
    for number in range(3):
        expect(unsent(page).nth(number)).to_contain_text("Waiting for the connection.")
    box.fill("half a thou")
    unsent(page).nth(1).get_by_text("Edit").click()
    expect(box).to_have_value("two\nlines\nhalf a thou")
    expect(box).to_be_focused()
    unsent(page).nth(1).get_by_role("button", name="Discard").click()
    page.click(".confirm:popover-open .button-danger")
    expect(unsent(page).locator(".body")).to_have_text(["one"])
    box.fill("")
    page.keyboard.press("ArrowUp")
    expect(box).to_have_value("one")
    expect(unsent(page)).to_have_count(0)
    page.keyboard.press("Enter")
    expect(unsent(page)).to_contain_text("Waiting for the connection.")
    # Else the page may send it by itself before the click.
    posts = hold_back(page, POSTS)
    unsent(page).get_by_text("Retry").click()
    release(page, posts)
    expect(page.locator("#messages .body")).to_have_text(["one"])
    assert kept(page) == {}


def test_a_refused_message_says_why_and_lets_others_pass(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=(*LOST_SERVER, "413", "422"))
    break_off(page)
    texts = ["y" * 10_001, "x" * 300_000]
    for text in (*texts, "short"):
        send(page, text)
    page.unroute(POSTS)
    expect(page.locator("#messages .body")).to_have_text("short")
    expect(unsent(page).nth(0)).to_contain_text("This is 10,001 characters long; a message has at most 10,000.")
    expect(unsent(page).nth(1)).to_contain_text("That is too much at once. Send less at a time.")
    page.reload()
    wait_until_live(page)
    expect(unsent(page).nth(1)).to_contain_text("That is too much at once.")
    expect(unsent(page).nth(0).locator(".body")).to_have_text(texts[0])
    unsent(page).nth(0).get_by_text("Edit").click()
    expect(page.locator("#body")).to_have_value(texts[0])
    expect(unsent(page)).to_have_count(1)
    page.fill("#body", "shorter")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text(["short", "shorter"])
    expect(page.locator("#notice")).to_be_empty()


FILL = """() => {
    for (let size = 2 ** 22; size >= 1; size /= 2)
        try { for (let number = 0; ; number += 1) localStorage.setItem(`fill ${size} ${number}`, "x".repeat(size)); }
        catch { /* full for pieces of this size */ }
}"""


def test_a_message_is_sent_though_the_browsers_storage_is_full(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.evaluate(FILL)
    send(page, "no room for this")
    expect(page.locator("#messages .body")).to_have_text(["no room for this"])
    expect(page.locator("#body")).to_have_value("")


def test_a_double_click_posts_once_and_an_empty_box_nothing(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.fill("#body", "only once")
    page.dblclick(".send")
    expect(page.locator("#messages .body")).to_have_count(1)
    page.fill("#body", " \n ")
    page.keyboard.press("Enter")
    expect(unsent(page)).to_have_count(0)
    page.wait_for_timeout(300)
    assert alice.reads(1) == ["only once"]


def test_messages_wait_over_a_closed_page_and_a_sign_out(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    break_off(page)
    for text in ("first", "second"):
        send(page, text)
    expect(unsent(page).first).to_contain_text("Waiting for the connection.")
    other = page.context.new_page()
    page.close()
    query(alice.server.database_url, "UPDATE sessions SET revoked_at = now() WHERE user_id = $1", alice.id)
    bob = sign_up(alice.server, "Bob Brown")
    for person in (bob, alice):
        other.goto(f"{alice.server.url}/sign-in")
        other.fill("#email", person.email)
        other.fill("#password", PASSWORD)
        other.click("button")
        other.wait_for_url(lambda url: "sign-in" not in url)
        other.goto(f"{alice.server.url}/rooms/1")
        if person is bob:
            wait_until_live(other)
            expect(unsent(other)).to_have_count(0)
            query(alice.server.database_url, "UPDATE sessions SET revoked_at = now() WHERE user_id = $1", bob.id)
    expect(other.locator("#messages .body")).to_have_text(["first", "second"])
    expect(unsent(other)).to_have_count(0)
    assert kept(other) == {}


def test_a_message_sent_while_signed_out_is_sent_after_signing_in(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    query(alice.server.database_url, "UPDATE sessions SET revoked_at = now() WHERE user_id = $1", alice.id)
    send(page, "first")
    expect(page).to_have_url(re.compile("/sign-in"))
    page.fill("#email", alice.email)
    page.fill("#password", PASSWORD)
    page.click("button")
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.goto(f"{alice.server.url}/rooms/1")
    expect(page.locator("#messages .body")).to_have_text(["first"])


def test_messages_are_shown_in_all_pages_and_sent_once(alice: Person, windows: Windows) -> None:
    one = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    other = one.context.new_page()
    other.goto(f"{alice.server.url}/rooms/1")
    for page in (one, other):
        break_off(page)
    for text in ("first", "second"):
        send(one, text)
        send(other, f"{text} elsewhere")
    for page in (one, other):
        expect(unsent(page)).to_have_count(4)
    texts = unsent(one).locator(".body").all_inner_texts()
    assert unsent(other).locator(".body").all_inner_texts() == texts
    # The first page is gone, or asleep: the other sends what it has been given.
    other.unroute(POSTS)
    for page in (one, other):
        expect(unsent(page)).to_have_count(0)
    expect(other.locator("#messages .body")).to_have_text(texts)
    one.unroute(POSTS)
    send(one, "last")
    expect(other.locator("#messages .body").last).to_have_text("last")
    assert alice.reads(1) == [*texts, "last"]


def test_messages_are_sent_after_their_author_went_to_another_room(alice: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    page = windows.open_as(alice, "/rooms/1", expected=(*LOST_SERVER, "422"))
    break_off(page)
    for text in ("first", "y" * 10_001, "second"):
        send(page, text)
    expect(unsent(page)).to_have_count(3)
    page.goto(f"{alice.server.url}/rooms/{garden}")
    link = page.locator("#sidebar a[data-room='1']")
    expect(link).to_have_attribute("data-unsent", "Not sent")
    page.unroute(POSTS)
    wait_until(lambda: "second" in alice.reads(1), page)
    expect(link).to_have_attribute("data-unsent", "Not sent")
    page.goto(f"{alice.server.url}/rooms/1")
    expect(page.locator("#messages .body")).to_have_text(["first", "second"])
    expect(unsent(page)).to_contain_text("10,001 characters")
    page.goto(f"{alice.server.url}/rooms/{garden}")
    expect(page.locator("#messages .body")).to_have_count(0)


def test_a_message_waits_while_its_room_is_archived(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(bob, "/rooms/1", expected=(*LOST_SERVER, "422"))
    break_off(page)
    send(page, "first")
    alice.submit("/rooms/1/archive")
    expect(page.locator("#writing")).to_contain_text("This room is archived")
    page.unroute(POSTS)
    expect(unsent(page)).to_contain_text("This room is archived. You can read it but not write in it.")
    expect(unsent(page).get_by_text("Edit")).to_be_hidden()
    alice.submit("/rooms/1/restore")
    expect(page.locator("#body")).to_be_visible()
    unsent(page).get_by_text("Retry").click()
    expect(page.locator("#messages .body")).to_have_text(["first"])


def test_a_text_that_looks_like_a_command_is_sent_as_a_message(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=(*LOST_SERVER, "422"))
    send(page, "/leave it to me")
    send(page, "after it")
    expect(page.locator("#messages .body")).to_have_text(["after it"])
    expect(unsent(page).locator(".why")).to_contain_text("No words follow the command /leave.")
    break_off(page)
    offered = unsent(page).get_by_role("button", name="Send it as a message")
    offered.press("Enter")
    expect(page.locator("#body")).to_be_focused()
    expect(unsent(page)).to_contain_text("Waiting for the connection.")
    expect(offered).to_have_count(0)
    page.reload()
    expect(unsent(page).locator(".body")).to_have_text(["/leave it to me"])
    page.unroute(POSTS)
    texts = ["after it", "/leave it to me"]
    expect(page.locator("#messages .body")).to_have_text(texts)
    expect(unsent(page)).to_have_count(0)
    assert alice.reads(1) == texts


def test_a_failed_message_is_retried_after_its_form_was_replaced(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(bob, "/rooms/1", expected=LOST_SERVER)
    posts = hold_back(page, POSTS, fails=True)
    send(page, "first")
    alice.submit("/rooms/1/settings", {"slow_seconds": "60"})
    expect(page.locator("#writing")).to_contain_text("one message in 1 minute")
    release(page, posts)
    expect(unsent(page)).to_contain_text("Waiting for the connection.")
    page.unroute(POSTS)
    expect(page.locator("#messages .body")).to_have_text(["first"])


def test_an_unfinished_reply_keeps_the_draft(alice: Person, windows: Windows) -> None:
    alice.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    page.fill("#body", "half a thought")
    page.goto(f"{alice.server.url}/messages/1/reply")
    expect(page.locator("#replying")).to_contain_text("Replying to Alice Adams")
    expect(page.locator("#body")).to_have_value("half a thought")


def test_the_sidebar_shows_where_a_draft_is(alice: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    page = windows.open_as(alice, "/rooms/1")
    other = page.context.new_page()
    other.goto(f"{alice.server.url}/people")
    after = "link => getComputedStyle(link, '::after').content"
    link = f"#sidebar a[data-room='{garden}']"
    page.goto(f"{alice.server.url}/rooms/{garden}")
    page.fill("#body", "half a thought")
    for each, words in ((page, "none"), (other, '"Draft"')):
        wait_until(lambda each=each, words=words: each.locator(link).evaluate(after) == words, each)  # type: ignore[misc]  # mypy infers no type of these
    alice.submit(f"/rooms/{garden}/settings", {"name": "Orchard"})
    expect(other.locator(link)).to_contain_text("Orchard")
    assert other.locator(link).evaluate(after) == '"Draft"'
    page.keyboard.press("Enter")
    wait_until(lambda: other.locator(link).evaluate(after) == "none", other)


def test_pages_of_a_room_each_keep_their_own_draft(alice: Person, windows: Windows) -> None:
    one = windows.open_as(alice, "/rooms/1")
    other = one.context.new_page()
    other.goto(f"{alice.server.url}/rooms/1")
    one.fill("#body", "a long thought")
    send(other, "ok")
    # Both pages may send a message, which leaves a gap in their numbers.
    expect(one.locator("#messages .body")).to_have_text("ok")
    expect(other.locator("#body")).to_have_value("")
    wait_until(lambda: "a long thought" in kept(one).values(), one)
    one.reload()
    expect(one.locator("#body")).to_have_value("a long thought")
    other.reload()
    expect(other.locator("#body")).to_have_value("a long thought")
    other.press("#body", "Enter")
    expect(one.locator("#messages .body")).to_have_text(["ok", "a long thought"])
    expect(one.locator("#body")).to_have_value("")
    one.reload()
    expect(one.locator("#body")).to_have_value("")


def test_waiting_messages_are_restored_with_a_swapped_page(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    break_off(page)
    send(page, "late")
    expect(unsent(page)).to_contain_text("Waiting for the connection.")
    unsent(page).evaluate("item => item.title = 'of the old page'")
    # Another swap ends while this one is still settling.
    page.evaluate(
        "document.addEventListener('htmx:before:settle', () => document.dispatchEvent("
        "new CustomEvent('htmx:after:swap', { detail: { ctx: {} } })))"
    )
    page.evaluate("htmx.ajax('GET', '/rooms/1', {target: '.room', select: '.room', swap: 'outerHTML'})")
    expect(page.locator("#outbox > [title='of the old page']")).to_have_count(0)
    expect(unsent(page)).to_have_count(1)
    page.unroute(POSTS)
    expect(page.locator("#messages .body")).to_have_text(["late"])
