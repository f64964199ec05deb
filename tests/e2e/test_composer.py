"""Writing on a phone whose keyboard is open: the height of the composer, and the editor of a message."""

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.support.browsers import PHONE, Windows, wait_until
from tests.support.people import Person
from tests.support.pictures import encoded, plain
from tests.support.uploading import post_files, upload

KEYBOARD_OPEN: ViewportSize = {"width": PHONE["width"], "height": 400}


def test_a_phone_with_its_keyboard_open_keeps_half_of_the_height_for_messages(alice: Person, windows: Windows) -> None:
    room = alice.create_room("A room with a name so long that it has to be cut off somewhere")
    page = windows.open_as(alice, f"/rooms/{room}", viewport=KEYBOARD_OPEN, has_touch=True, is_mobile=True)
    box, send = page.locator("#body"), page.locator(".send")

    def look() -> tuple[float, str]:
        place = box.bounding_box()
        assert place
        return place["height"], str(send.evaluate("send => getComputedStyle(send).backgroundColor"))

    empty, grey = look()
    box.fill("one line")
    one_line, coloured = look()
    assert empty == one_line, "the placeholder of a long name stays on one line"
    assert grey != coloured
    for lines in (1, 4, 40):
        box.fill("\n".join(["a line"] * lines))
        history = page.locator("#scroller").bounding_box()
        assert history
        assert history["height"] >= KEYBOARD_OPEN["height"] / 2, f"{lines} lines"
    box.fill("")
    assert look() == (empty, grey)


ON_TOP = """field => {
    const { left, top, width, height } = field.getBoundingClientRect();
    return [0.1, 0.5, 0.9].every((part) => document.elementFromPoint(left + width / 2, top + height * part) === field);
}"""


def is_in_sight(field: Locator, page: Page) -> None:
    """Wait until a field is seen whole, with nothing over it."""
    wait_until(lambda: bool(field.evaluate(ON_TOP)), page)
    expect(field).to_be_in_viewport(ratio=1)
    expect(field).to_be_focused()


@pytest.mark.parametrize(
    ("pictures", "width", "height"), [(6, 40, 30), (2, 900, 600), (0, 0, 0)], ids=["small", "large", "none"]
)
def test_the_editor_stays_in_sight_when_the_keyboard_of_a_phone_opens(
    alice: Person, windows: Windows, pictures: int, width: int, height: int
) -> None:
    names = [f"IMG_{number}.png" for number in range(pictures)]
    uploads = [upload(alice, 1, name, encoded(plain(width, height), "PNG")) for name in names]
    post_files(alice, 1, uploads, "\n".join(["The roof"] * 12))
    page = windows.open_as(alice, "/rooms/1", viewport=PHONE, has_touch=True, is_mobile=True)
    page.press("#body", "ArrowUp")
    box = page.locator(".editor textarea")
    expect(box).to_be_focused()
    page.set_viewport_size(KEYBOARD_OPEN)
    is_in_sight(box, page)
    box.fill("\n".join(["one line more"] * 40))
    is_in_sight(box, page)
    for name in names[-1:]:
        page.set_viewport_size(PHONE)
        described = page.get_by_label(f"Description of {name}")
        described.tap()
        page.set_viewport_size(KEYBOARD_OPEN)
        is_in_sight(described, page)
    page.get_by_role("button", name="Save").tap()
    expect(page.locator(".editor")).to_have_count(0)
