"""Sending files: chosen, pasted and dropped; progress, cancel, errors, and uploads that outlive a reload."""

import re
import struct
import zlib
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import FilePayload, Page, ViewportSize, expect

from tests.support.browsers import LOST_SERVER, PHONE, Options, Windows, wait_until, wait_until_runs
from tests.support.databases import query
from tests.support.people import Person, first_run
from tests.support.server import ChatServer
from tests.support.uploading import post_files, upload


def picture(width: int = 640, height: int = 480) -> bytes:
    """Return a PNG: a grey ramp."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = b"\0" + bytes(x * 255 // width for x in range(width))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def chosen(name: str, kind: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": content}


HAND_OVER = """async ([type, name, kind, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name, { type: kind }));
    const target = document.getElementById("body");
    if (type === "paste") target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true,
        cancelable: true }));
    else for (const each of ["dragenter", "dragover", type])
        target.dispatchEvent(new DragEvent(each, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""

DRAG = """type => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(["notes"], "notes.txt"));
    document.getElementById("messages").dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true }));
}"""

# In one step: the history may scroll between two.
STANDS_BELOW = """message => message.querySelector(".body").getBoundingClientRect().bottom
    <= message.querySelector(".files").getBoundingClientRect().top"""


def hand_over(page: Page, act: str, name: str, kind: str, content: bytes) -> None:
    """Paste or drop a file at the box, as `act` says."""
    page.evaluate(HAND_OVER, [act, name, kind, list(content)])


def ready(page: Page) -> None:
    """Move the mouse, so that the page runs its script for files."""
    page.mouse.move(300, 300)
    wait_until_runs(page, "files")


@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desktop", "phone"])
def test_files_are_chosen_pasted_and_dropped_and_go_with_the_text(
    alice: Person, bob: Person, windows: Windows, viewport: ViewportSize | None
) -> None:
    options: Options = {"viewport": viewport, "has_touch": True, "is_mobile": True} if viewport else {}
    reader, page = windows.open_as(bob, "/rooms/1"), windows.open_as(alice, "/rooms/1", **options)
    ready(page)
    items = page.locator("#attached > li")
    page.set_input_files("#files", [chosen("plan.pdf", "application/pdf", b"%PDF-1.4 plan")])
    hand_over(page, "paste", "image.png", "image/png", picture())
    hand_over(page, "drop", "notes.txt", "text/plain", b"notes")
    expect(items.locator(".name")).to_have_text(["plan.pdf", "image.png", "notes.txt"])
    expect(page.locator("#attached > li.whole")).to_have_count(3)
    items.nth(1).locator("[name=alt]").fill("A grey ramp")
    items.nth(2).get_by_title("Remove").click()
    page.fill("#body", "Here is the plan")
    page.click(".send")
    for each in (page, reader):
        message = each.locator("#messages .message").last
        expect(message.locator("p").filter(has_text="Here is the plan")).to_be_visible()
        expect(message.get_by_role("img", name="A grey ramp")).to_be_visible()
        expect(message.get_by_role("link", name=re.compile("plan.pdf"))).to_be_visible()
        expect(message.locator(".files > li")).to_have_count(2)
        # The style sheet of files comes with the first message that has some.
        wait_until(partial(message.evaluate, STANDS_BELOW), each)
    expect(items).to_have_count(0)
    expect(page.locator(".unsent")).to_have_count(0)


def test_the_conversation_shows_that_it_takes_what_is_dropped(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    ready(page)
    words = "() => getComputedStyle(document.getElementById('main'), '::after').content"
    page.evaluate(DRAG, "dragenter")
    wait_until(lambda: "Drop files to send them here" in page.evaluate(words), page)
    page.evaluate(DRAG, "dragleave")
    assert "Drop files" not in page.evaluate(words)
    page.evaluate(DRAG, "dragenter")
    hand_over(page, "drop", "notes.txt", "text/plain", b"notes")
    assert "Drop files" not in page.evaluate(words)
    expect(page.locator("#attached > li.whole .name")).to_have_text(["notes.txt"])


def test_a_phone_offers_its_camera_and_its_gallery(alice: Person, bob: Person, windows: Windows) -> None:
    reader = windows.open_as(bob, "/rooms/1")
    page = windows.open_as(alice, "/rooms/1", viewport=PHONE, has_touch=True, is_mobile=True)
    with page.expect_file_chooser() as camera:
        page.get_by_title("Take a photo").tap()
    field = camera.value.element
    assert (field.get_attribute("accept"), field.get_attribute("capture")) == ("image/*", "environment")
    camera.value.set_files(chosen("IMG_1.png", "image/png", picture()))
    expect(page.locator("#attached > li")).to_have_count(1)
    with page.expect_file_chooser() as gallery:
        page.get_by_title("Attach files").tap()
    assert gallery.value.is_multiple()
    assert gallery.value.element.get_attribute("accept") is None, "phones offer pictures, films and all other files"
    gallery.value.set_files([chosen(name, "image/png", picture()) for name in ("IMG_2.png", "IMG_3.png")])
    expect(page.locator("#attached > li.whole .name")).to_have_text(["IMG_1.png", "IMG_2.png", "IMG_3.png"])
    page.get_by_title("Send", exact=True).tap()
    for name in ("IMG_1.png", "IMG_2.png", "IMG_3.png"):
        expect(reader.get_by_role("img", name=name)).to_be_visible()
    expect(reader.get_by_title("Take a photo")).to_be_hidden()


def test_a_file_chosen_before_the_script_has_loaded_is_sent(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.focus("#files")
    expect(page.locator(".attach")).not_to_have_css("outline-style", "none")
    page.set_input_files("#files", [chosen("plan.pdf", "application/pdf", b"%PDF-1.4 plan")])
    expect(page.locator("#attached > li")).to_have_count(0)
    page.mouse.move(300, 300)
    expect(page.locator("#attached > li.whole .name")).to_have_text("plan.pdf")
    assert page.input_value("#files") == ""


def test_a_picture_goes_without_text_and_loads_for_others(alice: Person, bob: Person, windows: Windows) -> None:
    reader, page = windows.open_as(bob, "/rooms/1"), windows.open_as(alice, "/rooms/1")
    ready(page)
    hand_over(page, "paste", "image.png", "image/png", picture())
    page.keyboard.press("Enter")
    shown = reader.locator("#messages .files img")
    expect(shown).to_be_visible()
    wait_until(lambda: bool(shown.evaluate("image => image.complete && image.naturalWidth > 0")), reader)


def test_an_upload_outlives_a_reload_and_goes_with_its_message(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=(*LOST_SERVER, "409"))
    ready(page)
    slow = page.context.new_cdp_session(page)
    slow.send("Network.emulateNetworkConditions", {
        "offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000,
    })  # fmt: skip
    page.set_input_files("#files", [chosen("video.bin", "application/octet-stream", b"\x00" * 3_000_000)])
    progress = page.locator("#attached progress")
    wait_until(lambda: 0.05 < float(progress.evaluate("bar => bar.value")) < 0.95, page)
    page.fill("#body", "A video")
    page.keyboard.press("Enter")
    expect(page.locator(".unsent .attachment .name")).to_have_text("video.bin")
    page.fill("#body", "This text does not wait for it")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body").last).to_contain_text("does not wait")
    page.reload()
    expect(page.locator(".unsent .attachment .name")).to_have_text("video.bin")
    slow.send("Network.disable")
    slow.detach()
    expect(page.locator("#messages .message").last).to_contain_text("A video")
    expect(page.locator("#messages .message").last.locator(".files")).to_contain_text("video.bin")
    expect(page.locator(".unsent")).to_have_count(0)


def test_a_refused_file_says_why_and_the_others_stay(
    start_server: Callable[..., ChatServer], database_url: str, windows: Windows
) -> None:
    alice = first_run(start_server(database_url, MAX_FILE_SIZE="1"))
    page = windows.open_as(alice, "/rooms/1", expected=("422",))
    ready(page)
    large = chosen("large.iso", "application/octet-stream", bytes(2**20 + 1))
    page.set_input_files("#files", [large, chosen("notes.txt", "text/plain", b"notes")])
    refused = page.locator("#attached > li", has_text="large.iso")
    expect(refused.get_by_role("alert")).to_contain_text("“large.iso” is too large. A file may have 1 MB.")
    expect(page.locator("#attached > li.whole .name")).to_have_text(["notes.txt"])
    refused.get_by_title("Remove").click()
    page.click(".send")
    expect(page.locator("#messages .files > li")).to_have_count(1)
    expect(page.locator("#messages .files")).to_contain_text("notes.txt")


def test_an_upload_is_cancelled_under_way_and_a_refused_one_is_tried_again(
    start_server: Callable[..., ChatServer], database_url: str, windows: Windows
) -> None:
    alice = first_run(start_server(database_url, MAX_UPLOADS="1"))
    page = windows.open_as(alice, "/rooms/1", expected=("422",))
    ready(page)
    slow = page.context.new_cdp_session(page)
    slow.send("Network.emulateNetworkConditions", {
        "offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000,
    })  # fmt: skip
    page.set_input_files("#files", [chosen("film.bin", "application/octet-stream", bytes(3_000_000))])
    film, notes = (page.locator("#attached > li", has_text=name) for name in ("film.bin", "notes.txt"))
    wait_until(lambda: float(film.locator("progress").evaluate("bar => bar.value")) > 0.05, page)
    page.set_input_files("#files", [chosen("notes.txt", "text/plain", b"notes")])
    expect(notes.get_by_role("alert")).to_contain_text("Send or remove some of them first.")
    film.get_by_title("Remove").click()
    wait_until(lambda: query(database_url, "SELECT count(*) FROM files") == [(0,)], page)
    expect(film).to_have_count(0)
    notes.get_by_role("button", name="Retry").click()
    expect(page.locator("#attached > li.whole")).to_contain_text("notes.txt")
    expect(notes.locator(".problem")).to_be_hidden()


def test_a_browser_that_has_lost_a_file_asks_for_it_again(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    ready(page)
    page.route("**/uploads*", lambda route: route.abort())
    page.set_input_files("#files", [chosen("plan.pdf", "application/pdf", b"%PDF-1.4 plan")])
    expect(page.locator("#attached .name")).to_have_text("plan.pdf")
    page.fill("#body", "The plan")
    page.keyboard.press("Enter")
    expect(page.locator(".unsent .attachment .name")).to_have_text("plan.pdf")
    # As a browser does that needs the space.
    page.evaluate("indexedDB.databases().then((all) => all.forEach(({ name }) => indexedDB.deleteDatabase(name)))")
    page.reload()
    expect(page.locator(".unsent")).to_contain_text("This browser no longer has its files.")
    page.locator(".unsent").get_by_role("button", name="Edit").click()
    expect(page.locator("#body")).to_have_value("The plan")
    expect(page.locator(".unsent")).to_have_count(0)


def test_a_long_text_that_is_pasted_can_go_as_a_file(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    ready(page)
    page.fill("#body", "See: ")
    page.evaluate(
        """text => {
        const data = new DataTransfer(), box = document.getElementById("body");
        data.setData("text/plain", text);
        box.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        box.setRangeText(text, 5, 5, "end");
    }""",
        "word " * 2500,
    )
    page.get_by_role("button", name="Send it as a file").click()
    expect(page.locator("#body")).to_have_value("See: ")
    expect(page.locator("#attached .name")).to_have_text("text.txt")


def test_files_wait_in_their_room_and_for_their_person(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    page = windows.open_as(alice, "/rooms/1")
    ready(page)
    page.set_input_files("#files", [chosen("plan.pdf", "application/pdf", b"%PDF-1.4 plan")])
    expect(page.locator("#attached > li.whole")).to_have_count(1)
    page.click(f"#sidebar .rooms a[data-room='{garden}']")
    expect(page.locator("h1")).to_contain_text("Garden")
    expect(page.locator("#attached > li")).to_have_count(0)
    page.fill("#body", "no files")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text("no files")
    page.click("#sidebar .rooms a[data-room='1']")
    expect(page.locator("#attached .name")).to_have_text("plan.pdf")
    page.goto(f"{alice.server.url}/rooms/1")
    page.keyboard.press("Shift")
    expect(page.locator("#attached .name")).to_have_text("plan.pdf")
    for cookie in windows.open_as(bob).context.cookies():
        page.context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": alice.server.url}])
    page.goto(f"{alice.server.url}/rooms/1")
    ready(page)
    expect(page.locator("html")).to_have_attribute("data-me", str(bob.id))
    page.set_input_files("#files", [chosen("bob.pdf", "application/pdf", b"%PDF-1.4 bob")])
    expect(page.locator("#attached > li.whole .name")).to_have_text(["bob.pdf"])
    expect(page.locator("#attached > li")).to_have_count(1)


def test_a_picture_is_described_after_it_was_sent_with_and_without_scripts(alice: Person, windows: Windows) -> None:
    post_files(alice, 1, [upload(alice, 1, "roof.png", picture())])
    page = windows.open_as(alice, "/rooms/1")
    plain = windows.open_as(alice, "/messages/1/edit", java_script_enabled=False)
    expect(plain.locator(".page img")).to_be_visible()
    plain.get_by_label("Description of roof.png").fill("The roof")
    plain.get_by_role("button", name="Save").click()
    expect(plain.get_by_role("img", name="The roof")).to_be_visible()
    expect(page.get_by_role("img", name="The roof")).to_be_visible()
    page.focus("#body")
    page.keyboard.press("ArrowUp")
    field = page.get_by_label("Description of roof.png")
    expect(field).to_have_value("The roof")
    field.fill("The old roof")
    field.press("Enter")
    expect(page.get_by_role("img", name="The old roof")).to_be_visible()
    expect(page.locator(".editor")).to_have_count(0)
