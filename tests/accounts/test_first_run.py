"""The first run: the set-up code and the form."""

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.databases import query
from tests.support.load_balancer import NGINX, find_load_balancer
from tests.support.people import PASSWORD, browser, first_run
from tests.support.ports import free_port
from tests.support.server import SETUP_CODE, ChatServer, until_ready

TYPED = {
    "installation_name": "Willow Street School",
    "room_name": "Lobby",
    "name": "Eve",
    "email": "eve@example.org",
    "password": PASSWORD,
}


@contextmanager
def behind_plain_nginx(server: ChatServer) -> Iterator[str]:
    """The address of an nginx on this machine with nothing configured but `proxy_pass`."""
    program = find_load_balancer("nginx")
    if program is None:
        pytest.skip("nginx is not installed")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        example = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {server.url}; }} }}"
        (Path(folder) / "configuration").write_text(NGINX.format(folder=folder, example=example))
        nginx = subprocess.Popen([program, "-p", folder, "-c", f"{folder}/configuration"])
        try:
            until_ready(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            nginx.terminate()
            nginx.wait(20)


def link_in_log(server: ChatServer) -> str:
    """The set-up link that a server has logged, as a path."""
    server.until_logged("/first-run?code=")
    return str(re.findall(r"(/first-run\?code=[a-z2-7]{26})\b", server.log)[-1])


def test_the_set_up_code_sets_the_chat_up_once(server: ChatServer) -> None:
    visitor = browser(server)
    for path in ("/", "/sign-in", "/sign-up", "/rooms/1", "/join/anything"):
        assert visitor.get(path).headers["location"] == "/first-run"
    alice = first_run(server)
    assert "Lobby" in alice.get("/").text
    for again in (visitor.get(f"/first-run?code={SETUP_CODE}"), visitor.post("/first-run", data={"code": SETUP_CODE})):
        assert again.status_code == 404
    assert visitor.post("/first-run", data={**TYPED, "code": SETUP_CODE}).status_code == 404


def test_a_visitor_without_the_code_cannot_set_the_chat_up(server: ChatServer) -> None:
    for code in ["", "guess", SETUP_CODE[:-1], SETUP_CODE.upper(), "\0", "\u00e9" * 26, "x" * 9000]:
        visitor = browser(server)
        shown = visitor.get("/first-run", params={"code": code} if code else {})
        assert shown.status_code == 403
        assert "not set up yet" in shown.text
        assert "SETUP_CODE" in shown.text
        assert SETUP_CODE not in shown.text
        refused = visitor.post("/first-run", data={**TYPED, "code": code})
        assert refused.status_code == 403
        assert "not the set-up code" in refused.text
        assert 'value="Willow Street School"' in refused.text, "the input is kept"
        assert PASSWORD not in refused.text
        assert query(server.database_url, "SELECT 1 FROM installation UNION SELECT 1 FROM users") == []
        assert SETUP_CODE not in server.log


def test_with_database_url_a_visitor_at_the_machine_needs_the_code(server: ChatServer) -> None:
    with httpx.Client(base_url=server.url.replace("127.0.0.1", "localhost")) as client:
        assert client.get("/first-run").status_code == 403


def test_with_the_private_database_a_visitor_at_the_machine_needs_no_code(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    """A server process learns this from the process that starts the database; tests/test_start.py tests that."""
    server = start_server(database_url, SETUP_CODE="", PRIVATE_DATABASE_URL=database_url)
    published = start_server(
        database_url, SETUP_CODE="", PRIVATE_DATABASE_URL=database_url, PUBLIC_URL="http://127.0.0.1:1"
    )
    assert browser(published).get("/first-run").status_code == 403, "behind a proxy every visitor looks local"
    with behind_plain_nginx(server) as address, httpx.Client(base_url=address) as outside:
        assert outside.get("/first-run").status_code == 403
        own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
        assert outside.post("/first-run", data=TYPED, headers=own).status_code == 403
        assert outside.get(link_in_log(server)).status_code == 200
    assert browser(server).get("/first-run").status_code == 200
    assert browser(server).post("/first-run", data={**TYPED, "name": ""}).status_code == 422
    assert browser(server).post("/first-run", data=TYPED).status_code == 303


def test_the_set_up_code_can_be_typed_and_is_kept_in_the_form(server: ChatServer) -> None:
    visitor = browser(server)
    wrong = visitor.post("/first-run", data={"code": "a wrong one, mistyped"})
    assert wrong.status_code == 403
    assert 'id="code-help" class="field-error"' in wrong.text
    form = visitor.post("/first-run", data={"code": f" {SETUP_CODE} "})
    assert form.status_code == 200
    assert 'name="installation_name"' in form.text
    with_mistake = visitor.post("/first-run", data={**TYPED, "code": SETUP_CODE, "name": ""})
    assert with_mistake.status_code == 422
    assert f'name="code" value="{SETUP_CODE}"' in with_mistake.text
    assert visitor.post("/first-run", data={**TYPED, "code": SETUP_CODE}).status_code == 303


def test_without_setup_code_every_process_logs_the_same_set_up_link(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    one = start_server(database_url, SETUP_CODE="", WEB_CONCURRENCY="2")
    two = start_server(database_url, SETUP_CODE="", PUBLIC_URL="http://127.0.0.1:8000")
    link = link_in_log(one)
    assert link_in_log(two) == link
    assert f"http://127.0.0.1:8000{link}" in two.log
    assert link.split("=")[1] not in browser(one).get("/first-run").text
    assert browser(one).get(link[:-1]).status_code == 403
    visitor = browser(one)
    assert visitor.get(link).status_code == 200
    assert visitor.post("/first-run", data={**TYPED, "code": link.split("=")[1]}).status_code == 303
    offered = one.log.count("not set up yet")
    one.restart()
    assert one.log.count("not set up yet") == offered, "and is not offered again"


def test_the_set_up_link_of_another_database_does_not_work(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, SETUP_CODE="")
    link = link_in_log(server)
    query(database_url, "ALTER TABLE installation RENAME TO earlier")
    query(database_url, "CREATE TABLE installation (LIKE earlier INCLUDING ALL)")
    server.restart()
    assert browser(server).get(link).status_code == 403
    assert link_in_log(server) != link


def test_a_visit_logs_the_set_up_link_of_a_database_created_later(
    server: ChatServer, start_server: Callable[..., ChatServer], database_url: str
) -> None:
    alice = first_run(server)
    other = start_server(database_url, SETUP_CODE="")
    assert "first-run" not in other.log
    assert alice.client.get("/list").status_code == 200
    query(database_url, "TRUNCATE installation, users CASCADE")
    for _ in range(5):
        assert browser(other).get("/first-run").status_code == 403
    assert browser(other).get(link_in_log(other)).status_code == 200
    assert other.log.count("/first-run?code=") == 1, "visitors cannot fill the log"


def test_the_first_administrators_password_must_be_storable_and_typable(server: ChatServer) -> None:
    for password in ("x" * 7, "x" * 257, "x" * 4097, "nothing\0else"):
        answer = browser(server).post("/first-run", data={**TYPED, "code": SETUP_CODE, "password": password})
        assert answer.status_code == 422
        assert 'id="password-help" class="field-error"' in answer.text
    assert query(server.database_url, "SELECT 1 FROM installation UNION SELECT 1 FROM users") == []


def test_first_run_reports_every_wrong_field_and_keeps_the_input(server: ChatServer) -> None:
    typed = {"installation_name": " ", "room_name": "", "name": "", "email": "not an address", "password": "short"}
    answer = browser(server).post("/first-run", data={**typed, "code": SETUP_CODE})
    assert answer.status_code == 422
    assert answer.text.count('aria-invalid="true"') == 5
    assert "not an address" in answer.text
    assert "short" not in answer.text, "a password is never sent back"
    first_run(server)
