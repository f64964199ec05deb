"""Acts of people in a large chat besides opening pages: joining it, writing, sending files, following a room."""

import asyncio
import re
from collections.abc import Callable
from uuid import uuid4

from tests.files.test_faces import PHOTO, send_picture
from tests.plans.large_chat import LOBBY, SMALL
from tests.support.databases import query, run
from tests.support.live_client import LiveClient
from tests.support.people import PASSWORD, Person, sign_in, sign_up
from tests.support.uploading import post_files, upload

SLOW, NEWCOMER = 62, "Zoe Zander"
_STRANGERS = (4001, 4101)  # people without a conversation with Alice


def everything(alice: Person, bob: Person, link: str, is_checked: Callable[[], bool]) -> None:
    """Do all of it. `link` leads to a page of the internet; `is_checked` tells whether open pages were checked."""
    join(alice)
    write(alice, bob, link)
    send_files(alice)
    converse(alice)
    run(follow(alice, bob, is_checked))
    change_credentials(bob)


def join(alice: Person) -> None:
    """Sign up, come back with an older token, and join a room by its link."""
    newcomer = sign_up(alice.server, NEWCOMER)
    newcomer.client.cookies.delete("simplechat-access")
    assert newcomer.get("/list").status_code == 200
    assert alice.submit(f"/rooms/{SMALL}/invite", {"days": "1", "uses": "5"}).status_code == 303
    token = query(alice.server.database_url, "SELECT token FROM invites WHERE room_id = $1", SMALL)[0][0]
    assert newcomer.submit(f"/join/{token}").status_code == 303
    sign_in(alice.server, newcomer)


def write(alice: Person, bob: Person, link: str) -> None:
    """Post with mentions, links, answers and commands, to the lobby and to a slow room."""
    first = int(re.findall(r'id="m-(\d+)"', alice.post(LOBBY, "for @Bob Brown and @room").text)[-1])
    client_id = str(uuid4())
    quote = f"see {alice.server.url}/rooms/{LOBBY}/messages/{first} and {link}"
    for _ in ("first", "again"):
        assert alice.post(SMALL, quote, client_id).status_code == 200
    assert alice.edit(first, "for @Bob Brown only").status_code == 200
    for command in (f"/invite {NEWCOMER}", "/topic exams", "/status 🌴 On holiday"):
        alice.post(SMALL, command)
    changed = {"name": "Slow room", "kind": "closed", "posting": "everybody", "slow_seconds": "60"}
    assert alice.submit(f"/rooms/{SLOW}/settings", changed).status_code == 303
    assert [bob.post(SLOW, "quick").status_code for _ in range(2)] == [200, 429]
    levels = {"room_level": "mentions", "direct_level": "everything", "everywhere": "yes"}
    assert alice.submit("/profile/levels", levels).status_code == 303
    assert alice.delete(first).status_code == 200


def send_files(alice: Person) -> None:
    """Send a picture to the lobby, describe it, and choose a face."""
    sent = post_files(alice, LOBBY, [upload(alice, LOBBY, "photo.png", PHOTO)])
    assert sent.status_code == 200, sent.text
    message_id = int(re.findall(r'id="m-(\d+)"', sent.text)[-1])
    file_id = int(re.findall(r"/files/(\d+)/", sent.text)[0])
    fields = {"body": "", "upload": str(file_id), "alt": "a photo"}
    assert alice.submit(f"/messages/{message_id}/edit", fields, htmx=True).status_code == 200
    assert send_picture(alice).status_code == 303


def converse(alice: Person) -> None:
    """Open a group, leave it, come back by opening it again, and switch to another room."""
    people = {"person": [str(each) for each in _STRANGERS]}
    room_id = int(alice.submit("/direct", people).headers["location"].rpartition("/")[2])
    assert alice.submit(f"/rooms/{room_id}/leave").status_code == 303
    assert alice.submit("/direct", people).status_code == 303
    assert alice.submit(f"/rooms/{room_id}/name", {"name": "Trip"}).status_code == 303
    assert alice.get(f"/rooms/{LOBBY}", **{"X-Part": "main"}).status_code == 200


async def follow(alice: Person, bob: Person, is_checked: Callable[[], bool]) -> None:
    """Follow the lobby and the sidebar while Bob writes, without a connection for a moment."""
    async with LiveClient(alice, LOBBY) as page, LiveClient(alice, None):
        await asyncio.to_thread(bob.post, LOBBY, "hello")
        await page.until_shows("hello")
        page.abort()
        await asyncio.to_thread(bob.post, LOBBY, "are you there?")
        await page.until_shows("are you there?", within=30)
        page.after -= 400  # further behind than what the process remembers
        alice.client.cookies.delete("simplechat-access")
        page.abort()
        await asyncio.to_thread(bob.post, SMALL, "elsewhere")
        # Every few seconds each process asks for ended sessions and new messages.
        await page.until(lambda: page.connections >= 3 and is_checked(), within=60)


def change_credentials(bob: Person) -> None:
    """Change a password and an address, and sign in with them."""
    new = "another correct horse battery"
    fields = {"current_password": PASSWORD, "password": new}
    assert bob.submit("/profile/password", fields).status_code == 303
    assert bob.submit("/profile/email", {"email": "bob@example.net", "email_password": new}).status_code == 303
