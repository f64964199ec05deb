"""The secret key of a chat that was given none: made at the first start, and kept in a file."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

SECRET_KEY_BYTES = 32


def is_long_enough(key: str) -> bool:
    """Tell whether nobody can guess a key by trying."""
    return len(key.encode()) >= SECRET_KEY_BYTES


def kept_secret_key(file: Path) -> str:
    """Return the key in a file, which is made if it is not there. May raise `OSError`."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}-") as new:
            new.write(secrets.token_hex(SECRET_KEY_BYTES))
            new.flush()
            os.fsync(new.fileno())
            # The file is whole from its first moment, though the disk is full or another process starts, too.
            with suppress(FileExistsError):
                os.link(new.name, file)
    return file.read_text().strip()
