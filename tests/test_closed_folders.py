"""Run as root, the private PostgreSQL needs no folder opened for its account."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.database import closed_folders, embedded
from chat.database.embedded import EmbeddedError, Server
from tests.support.databases import query

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives the database another account")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home like /root."""
    folder = tmp_path / "home of root"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    started: list[Server] = []
    yield started
    for server in started:
        server.stop()
        server.remove_socket()


def modes(path: Path) -> dict[str, int]:
    return {str(folder): stat.S_IMODE(folder.stat().st_mode) for folder in path.parents}


def test_the_data_may_be_below_a_folder_closed_to_the_account(home: Path, servers: list[Server]) -> None:
    data = home / "chat" / "var" / "postgres"
    data.parent.mkdir(parents=True, mode=0o700)
    before = modes(data)
    server = Server(data, {})
    servers.append(server)
    url = server.start()
    query(url, "CREATE TABLE kept AS SELECT 1 AS one")
    server.stop("immediate")
    again = Server(data, {})
    servers.append(again)
    assert query(again.start(), "SELECT one FROM kept")[0][0] == 1, "after a crash, too"
    assert modes(data) == before


def test_the_programs_may_be_below_a_folder_closed_to_the_account(
    home: Path, servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = embedded.BINARIES.parent.parent
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, home / "venv" / folder.name, symlinks=True)
    for place, _, files in os.walk(home / "venv"):
        os.chmod(place, 0o700)  # as with a umask of 077
        for file in files:
            path = Path(place, file)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o700)
    copies = Path(tempfile.mkdtemp(prefix="simplechat-copies-", dir="/tmp"))
    copies.chmod(0o755)
    monkeypatch.setattr(closed_folders, "COPIES", copies)
    monkeypatch.setattr(embedded, "BINARIES", home / "venv" / embedded.BINARIES.relative_to(package.parent))
    before = modes(embedded.BINARIES / "postgres")
    try:
        for name in ("one", "two"):
            data = home / name / "postgres"
            data.parent.mkdir()
            server = Server(data, {})
            servers.append(server)
            assert query(server.start(), "SELECT 1 AS one")[0][0] == 1
        assert len(list(copies.iterdir())) == 1, "they are copied once"
        assert modes(embedded.BINARIES / "postgres") == before
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(copies)


def test_an_account_that_cannot_reach_its_files_gets_a_line_of_advice(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "HERE", home / "nowhere")
    data = home / "postgres"
    before = modes(data)
    server = Server(data, {})
    with pytest.raises(EmbeddedError, match=r"cannot reach its files .*set DATA_DIRECTORY=/var/lib/simplechat"):
        server.start()
    server.remove_socket()
    assert modes(data) == before
