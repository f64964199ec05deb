"""A message's text as its author typed it: its length, and whether there is anything to see in it."""

import unicodedata

from chat.errors import InvalidInput
from chat.messages.markdown import Written, shows_nothing
from chat.text import is_blank

LONGEST_BODY = 10_000


def checked_body(body: str, *, may_be_empty: bool = False) -> str:
    """Return a typed text as it is stored; raises `InvalidInput` when it is empty or too long.

    Beside files it `may_be_empty`.
    """
    body = unicodedata.normalize("NFC", body).replace("\r\n", "\n").replace("\r", "\n").strip("\n").rstrip()
    if is_blank(body):
        if may_be_empty:
            return ""
        raise _nothing_to_see()
    if len(body) > LONGEST_BODY:
        raise InvalidInput(body=f"This is {len(body):,} characters long; a message has at most {LONGEST_BODY:,}.")
    return body


def shown(written: Written, *, may_be_empty: bool = False) -> Written:
    """Return a rendered text; raises `InvalidInput` when there is nothing to see in it, as in `&nbsp;`."""
    if not may_be_empty and shows_nothing(written.html):
        raise _nothing_to_see()
    return written


def _nothing_to_see() -> InvalidInput:
    return InvalidInput(body="Write something first.")
