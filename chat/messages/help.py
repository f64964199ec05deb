"""Examples of formatting for the help page: the text typed, and how it is shown."""

from functools import cache

from chat.messages.highlighting import highlighted
from chat.messages.markdown import written

_TYPED = (
    "**bold**, *italic* or ~~struck~~",
    "`code` in a line",
    '```python\nprint("a program")\n```',
    "> what somebody else said",
    "- one\n- two",
    "1. first\n2. second",
    "[a link](https://example.org)",
    ":tada: :+1:",
)


@cache
def examples() -> list[tuple[str, str]]:
    """Return pairs of a text and its markup."""
    return [(typed, written(typed, colours=highlighted).html) for typed in _TYPED]
