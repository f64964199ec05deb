"""Passwords: the rules for them (OWASP ASVS 5.0, 6.2), and hashing them (argon2id)."""

import functools
import re
import unicodedata
import warnings
from collections.abc import Collection

from chat.accounts.hashing import Asker, HashQueue
from chat.errors import InvalidInput
from chat.text import UNREADABLE, is_storable

with warnings.catch_warnings():
    # passlib 1.7.4 reads argon2-cffi's version in a deprecated way.
    warnings.simplefilter("ignore", DeprecationWarning)
    from passlib.hash import argon2

    # Otherwise the first hash loads the backend; two first hashes in two threads made one of them fail.
    argon2.set_backend()
SHORTEST = 8
LONGEST = 256
ANYBODY = Asker()

_hasher = argon2.using(type="ID")
_queue = functools.cache(HashQueue)


async def hash_password(password: str, asker: Asker = ANYBODY) -> str:
    """Return the argon2id hash of `password`, computed in a worker thread; may raise `TooManyRequests`."""
    return await _queue().run(asker, _hasher.hash, password)


async def verify_password(password: str, password_hash: str | None, asker: Asker = ANYBODY) -> bool:
    """Tell whether `password` matches the hash. An unknown account (None) costs a hash too, so timing reveals nothing.

    A password that cannot be typed costs no hash, whether the account is known or not. May raise `TooManyRequests`.
    """
    if len(password) > LONGEST or not _can_be_typed(password):
        return False
    if password_hash is None:
        await hash_password(password, asker)
        return False
    return await _queue().run(asker, _hasher.verify, password, password_hash)


def check_password(password: str, obvious: Collection[str], field: str = "password") -> None:
    """Raise `InvalidInput` naming `field` for a password that is too short, too long or widely known.

    Nor may it consist of `obvious` texts, such as the person's name (NIST SP 800-63B, 5.1.1.2).
    """
    if len(password) < SHORTEST:
        raise InvalidInput(**{field: f"Use at least {SHORTEST} characters."})
    if len(password) > LONGEST:
        raise InvalidInput(**{field: f"Use at most {LONGEST} characters."})
    if not _can_be_typed(password):
        raise InvalidInput(**{field: "Use only characters that can be typed."})
    if password.lower() in _common_passwords():
        raise InvalidInput(**{field: "This password is on the list that attackers try first. Choose another."})
    # Longer texts are no names or addresses, and a form may hold a hundred thousand characters.
    if is_made_of(password, [text[:LONGEST] for text in obvious]):
        raise InvalidInput(
            **{field: "Attackers try your name, your address and the chat’s name first. Choose something else."}
        )


def _can_be_typed(password: str) -> bool:
    return is_storable(password) and UNREADABLE not in password


def is_made_of(password: str, obvious: Collection[str]) -> bool:
    """Tell whether a password consists only of obvious texts or their words, and any digits and signs around them.

    Case, accents and widths make no difference.
    """
    plain = _plain(password)
    known = {part for text in obvious for part in (_plain(text), *map(_plain, re.split(r"[\W_]+", text)))} - {""}
    if plain in known:
        return True
    rest = letters = _letters(plain)
    for word in sorted({_letters(part) for part in known} - {""}, key=len, reverse=True):
        rest = rest.replace(word, " ")
    return bool(letters) and not rest.strip()


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text))


@functools.cache
def _common_passwords() -> frozenset[str]:
    # The import takes 0.2 s, so it waits until a person chooses a password.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= SHORTEST)
