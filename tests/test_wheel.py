"""The wheel, as `pipx` and `uvx` install it: built from the tree, in an environment that has nothing else of ours."""

import email
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.ports import free_port
from tests.support.server import ROOT, until_ready


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("simplechat-*-py3-none-any.whl")
    return built


@pytest.fixture(scope="module")
def simplechat(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the installed wheel. Its environment borrows the libraries of this one, and nothing of ours."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", "--python"]
    subprocess.run([*install, str(python), str(wheel)], check=True, capture_output=True, timeout=120)
    borrowed = Path(sysconfig.get_path("purelib", vars={"base": str(environment)})) / "borrowed.pth"
    borrowed.write_text(sysconfig.get_path("purelib"))
    return environment / "bin" / "simplechat"


def clean(folder: Path, **settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}


@contextmanager
def running(command: Path, folder: Path) -> Iterator[str]:
    """Run the chat in a folder with no settings but a port; yields its address."""
    port = free_port()
    with (folder / "output.log").open("wb") as output:
        environment = clean(folder, PORT=str(port))
        process = subprocess.Popen([command], cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        until_ready(f"http://localhost:{port}")
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        assert process.wait(40) == 0, (folder / "output.log").read_text()


def test_the_wheel_holds_every_tracked_file_that_the_chat_needs(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "chat", "templates", "static", "migrations"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    needed = {name if name.startswith("chat/") else f"chat/_files/{name}" for name in listed if (ROOT / name).exists()}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert len(needed) > 200
    assert needed <= held
    assert not [name for name in held if not name.startswith("chat/") or "__pycache__" in name]


def test_the_wheel_asks_for_the_libraries_of_pyproject(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [asked for asked in metadata.get_all("Requires-Dist", []) if "extra ==" not in asked]
    assert len(asked) == len(project["dependencies"])
    assert metadata["Requires-Python"] == project["requires-python"]


def test_the_installed_command_starts_a_whole_chat_in_an_empty_folder(simplechat: Path, tmp_path: Path) -> None:
    with running(simplechat, tmp_path) as url:
        page = httpx.get(f"{url}/first-run")
        assert page.status_code == 200
        sheet = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        assert httpx.get(f"{url}{sheet}").status_code == 200
    assert (tmp_path / "var" / "secret_key").is_file(), "the data is under the folder it was started in"


def test_the_installed_command_speaks_of_itself(simplechat: Path, tmp_path: Path, database_url: str) -> None:
    def ran(*words: str | Path, **settings: str) -> str:
        environment = clean(tmp_path, **settings)
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    assert ran(simplechat, "--help").startswith("usage: simplechat ")
    package = Path(ran(simplechat.with_name("python"), "-c", "import chat; print(chat.__file__)").strip())
    assert package.is_relative_to(simplechat.parents[1]), "it is not the checkout that answers"
    assert "The tables are at revision" in ran(simplechat, "migrate", DATABASE_URL=database_url)
