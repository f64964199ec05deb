"""Files in the page: pictures that move nothing while they load, sound and film that play, and cards of all others."""

import io
import math
import wave
from base64 import b64decode
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browsers import PHONE, Options, Windows, wait_until
from tests.support.people import Person
from tests.support.pictures import encoded, landscape
from tests.support.settled import settled_chat
from tests.support.uploading import post_files, upload

SECONDS, RATE = 60, 22_050
PLACES = "() => [...document.querySelectorAll('.message')].map((message) => message.getBoundingClientRect().top)"
# A film as a browser records it, in base64.
RECORD = """async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
    const pen = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: "video/webm" });
    const parts = [], ended = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.start();
    for (let frame = 0; frame < 20; frame++) {
        pen.fillStyle = frame % 2 ? "red" : "blue";
        pen.fillRect(0, 0, 64, 48);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    recorder.stop();
    await ended;
    const reader = new FileReader(), read = new Promise((resolve) => (reader.onload = resolve));
    reader.readAsDataURL(new Blob(parts));
    await read;
    return reader.result.split(",")[1];
}"""


def sound() -> bytes:
    """A minute of a quiet tone, 2.6 MB."""
    output = io.BytesIO()
    with wave.open(output, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        period = [int(2000 * math.sin(2 * math.pi * place / 50)) for place in range(50)]
        file.writeframes(b"".join(each.to_bytes(2, "little", signed=True) for each in period) * (SECONDS * RATE // 50))
    return output.getvalue()


@pytest.fixture(scope="module")
def room() -> Iterator[Person]:
    """Alice, who has posted pictures, a sound and a paper; the tests change none of it."""
    with settled_chat("alice") as (alice,):
        for width, height in ((1600, 900), (600, 2000)):
            picture = encoded(landscape(width, height), "JPEG")
            assert post_files(alice, 1, [upload(alice, 1, f"{width}.jpg", picture)], "Look").is_success
        others = [upload(alice, 1, "tone.wav", sound()), upload(alice, 1, "plan.pdf", b"%PDF-1.7\n" + bytes(3000))]
        assert post_files(alice, 1, others, "Listen").is_success
        alice.post(1, "That is all.")
        yield alice


def loaded(page: Page) -> bool:
    return bool(page.evaluate("[...document.querySelectorAll('.files img')].every((image) => image.naturalWidth > 0)"))


@pytest.mark.parametrize(
    "options", [{}, {"viewport": PHONE, "has_touch": True, "is_mobile": True}], ids=["desk", "phone"]
)
def test_nothing_moves_while_pictures_load_and_their_colour_shows(
    room: Person, windows: Windows, options: Options
) -> None:
    held: list[Route] = []
    is_held = True
    page = windows.open_as(room, **options)

    def hold(route: Route) -> None:
        if is_held:
            held.append(route)
        else:
            route.continue_()

    page.route("**/files/*/**", hold)
    page.goto(f"{room.server.url}/rooms/1", wait_until="domcontentloaded")
    wait_until(lambda: len(held) >= 2, page)
    page.wait_for_function("document.fonts.ready")
    before = page.evaluate(PLACES)
    assert not loaded(page)
    placeholder = page.locator(".picture svg").last
    expect(placeholder).to_be_visible()
    assert placeholder.bounding_box() == page.locator(".picture img").last.bounding_box()
    is_held = False
    for route in held:
        route.continue_()
    wait_until(lambda: loaded(page), page)
    assert page.evaluate(PLACES) == before


@pytest.mark.parametrize(("density", "thumbnail"), [(1, 1), (2, 2)])
def test_a_picture_is_as_sharp_as_the_screen(room: Person, windows: Windows, density: float, thumbnail: int) -> None:
    page = windows.open_as(room, "/rooms/1", device_scale_factor=density)
    shown = page.get_by_role("img", name="1600.jpg")
    wait_until(lambda: bool(shown.evaluate("image => image.naturalWidth > 0")), page)
    assert shown.evaluate("image => image.currentSrc").endswith(f"/thumbnails/{thumbnail}")


def test_a_sound_plays_in_the_page_from_where_its_reader_wants(room: Person, windows: Windows) -> None:
    page = windows.open_as(room, "/rooms/1")
    statuses: list[int] = []
    page.on("response", lambda answer: statuses.append(answer.status) if answer.url.endswith("/tone.wav") else None)
    player = page.get_by_label("tone.wav")
    expect(player).to_have_attribute("controls", "")
    assert statuses == [], "it loads when somebody listens"
    player.evaluate("player => { player.muted = true; return player.play(); }")
    assert round(player.evaluate("player => player.duration")) == SECONDS
    player.evaluate("player => { player.currentTime = 50; }")
    wait_until(lambda: float(player.evaluate("player => player.currentTime")) > 50, page)
    assert set(statuses) == {206}


def test_a_film_plays_in_the_page(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    film = b64decode(page.evaluate(RECORD))
    post_files(alice, 1, [upload(alice, 1, "film.webm", film)])
    player = page.get_by_label("film.webm")
    expect(player).to_have_attribute("controls", "")
    wait_until(lambda: player.evaluate("player => [player.videoWidth, player.videoHeight]") == [64, 48], page)
    player.evaluate("player => player.play()")
    wait_until(lambda: float(player.evaluate("player => player.currentTime")) > 0, page)


def test_another_file_is_a_card_with_its_name_and_size_that_downloads_it(room: Person, windows: Windows) -> None:
    page = windows.open_as(room, "/rooms/1")
    card = page.get_by_role("link", name="plan.pdf")
    expect(card).to_have_text("plan.pdf 2.9 kB")
    expect(card.locator("svg")).to_be_visible()
    with page.expect_download() as download:
        card.click()
    assert download.value.suggested_filename == "plan.pdf"
    assert download.value.path().read_bytes() == b"%PDF-1.7\n" + bytes(3000)


def test_pictures_stand_beside_each_other_on_a_phone_too(alice: Person, windows: Windows) -> None:
    sizes = [(1600, 900), (900, 600), (600, 2000), (40, 30)]
    pictures = [upload(alice, 1, f"{width}.jpg", encoded(landscape(width, height), "JPEG")) for width, height in sizes]
    assert post_files(alice, 1, pictures, "Look").is_success
    page = windows.open_as(alice, "/rooms/1", viewport=PHONE, is_mobile=True)
    wait_until(lambda: loaded(page), page)
    shown = [page.get_by_role("img", name=f"{width}.jpg", exact=True).bounding_box() for width, _ in sizes]
    places = [(box["x"], box["y"]) for box in shown if box]
    assert [y == places[0][1] for _, y in places] == [True, True, False, False]
    assert [x == places[0][0] for x, _ in places] == [True, False, True, False]
    assert len({(box["width"], box["height"]) for box in shown if box}) == 1
