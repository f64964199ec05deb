"""Programs in other languages, each built or found once, under `benchmarks/build/`."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
REFERENCES = HERE / "references"


class NotHere(Exception):
    """A program that a row needs is not installed; the text names it."""


def _tool(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise NotHere(f"{name} is not installed")
    return found


@cache
def compiled(source: str) -> str:
    """Compile a C program and return its path."""
    BUILD.mkdir(exist_ok=True)
    program = BUILD / Path(source).stem
    subprocess.run([_tool("cc"), "-O2", "-o", program, HERE / source], check=True)
    return str(program)


@cache
def gorilla() -> str:
    """Build the Go program, with Debian's package of gorilla/websocket, and return its path."""
    BUILD.mkdir(exist_ok=True)
    library = Path("/usr/share/gocode/src/github.com/gorilla/websocket")
    go = _tool("go")
    if not library.exists():
        raise NotHere("golang-github-gorilla-websocket-dev is not installed")
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    program = BUILD / "gorilla"
    subprocess.run([go, "build", "-o", program, REFERENCES / "gorilla.go"], check=True, env=environment)
    return str(program)


@cache
def node_script(name: str) -> list[str]:
    """Install the packages of a script for Node beside a copy of it, and return its command."""
    node, npm = _tool("node"), _tool("npm")
    BUILD.mkdir(exist_ok=True)
    for file in ("package.json", name):
        shutil.copy(REFERENCES / file, BUILD / file)
    wanted = (REFERENCES / "package.json").read_text()
    installed = BUILD / "node_modules" / "installed.json"
    if not installed.exists() or installed.read_text() != wanted:
        command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=BUILD, check=True)
        installed.write_text(wanted)
    return [node, str(BUILD / name)]


def found(name: str) -> str:
    """Return the path of a program of the system; raises `NotHere` if it is not installed."""
    return _tool(name)
