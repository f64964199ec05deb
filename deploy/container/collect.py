"""Collect the files that the chat needs from the base of the build into a folder, which becomes the image.

That is Python with its standard library, the shared libraries that it and the wheels need, and the certificates of
authorities. No shell, no package manager and no pip get into the image, and its size does not depend on the base.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ENVIRONMENT, ROOT = Path(sys.argv[1]), Path(sys.argv[2])
LIBRARY = Path(sysconfig.get_path("stdlib"))
# Parts of the standard library for programmers and for windows.
UNUSED = "test tests idlelib tkinter turtledemo ensurepip lib2to3 pydoc_data site-packages dist-packages config-*"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Scanners read from the first which system the libraries are of; the loader finds libraries by the second.
SETTINGS = ("/etc/os-release", "/etc/ld.so.cache")
MADE = {
    "etc/passwd": "chat:x:10001:10001::/:/sbin/nologin\n",
    "etc/group": "chat:x:10001:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


def collect() -> None:
    for name in ("bin", "lib", "lib64"):
        if (top := Path("/", name)).is_symlink():
            ROOT.joinpath(os.readlink(top).lstrip("/")).mkdir(parents=True, exist_ok=True)
            ROOT.joinpath(name).symlink_to(os.readlink(top))
    shutil.copytree(LIBRARY, _inside(LIBRARY), ignore=shutil.ignore_patterns(*UNUSED.split()))
    python = list(_links(ENVIRONMENT / "bin" / "python"))
    for path in [*python, *_libraries(python[-1]), CERTIFICATES, *map(Path, SETTINGS)]:
        if not path.is_relative_to(ENVIRONMENT):
            _copy(path)
    for name, text in MADE.items():
        (ROOT / name).write_text(text)
    ROOT.joinpath("tmp").mkdir()
    ROOT.joinpath("tmp").chmod(0o1777)
    _list_packages()


def _inside(path: Path) -> Path:
    return ROOT / path.relative_to("/")


def _links(path: Path) -> Iterator[Path]:
    """Yield a path, and the paths its symbolic links lead to, the file itself last."""
    while path.is_symlink():
        yield path
        path = path.parent / os.readlink(path)
    yield path


def _libraries(python: Path) -> set[Path]:
    """Return the shared libraries of the base that Python and the wheels load."""
    programs = [python, *LIBRARY.rglob("*.so"), *ENVIRONMENT.rglob("*.so*")]
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    found = {Path(path) for path in re.findall(r"^\t(?:\S+ => )?(/\S+) \(0x", told, re.M)}
    # glibc loads it when a thread ends, so that no file names it.
    found |= {path.with_name("libgcc_s.so.1") for path in found if path.name == "libc.so.6"}
    return {step for path in found for step in _links(path)}


def _copy(path: Path) -> None:
    # The folder may be a link, as /lib is.
    path = path.parent.resolve() / path.name
    target = _inside(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() and path not in map(Path, SETTINGS):
        target.unlink(missing_ok=True)
        target.symlink_to(os.readlink(path))
    else:
        shutil.copy2(path, target)


def _list_packages() -> None:
    """Say in the image which Debian packages its files are of, for scanners."""
    files = [f"/{path.relative_to(ROOT)}" for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    # Debian's lists may name the folders of before /lib became a link.
    files += [file.removeprefix("/usr") for file in files]
    told = subprocess.run(["dpkg-query", "--search", *files], capture_output=True, text=True, check=False).stdout
    folder = ROOT / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True)
    for name in sorted(set(re.findall(r"^([^\s:,]+)(?::\w+)?: /", told, re.M))):
        status = subprocess.run(["dpkg-query", "--status", name], capture_output=True, check=True)
        (folder / name).write_bytes(status.stdout)


if __name__ == "__main__":
    collect()
