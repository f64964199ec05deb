"""The composer of a phone: its height, its placeholder, and the look of Send."""

from playwright.sync_api import ViewportSize

from tests.support.browsers import PHONE, Windows
from tests.support.people import Person

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
