"""Quoting a message in an answer, shortened and with a link back to it."""

import re
from collections.abc import Iterator

from chat.messages.markdown import escaped
from chat.messages.message import Message

LONGEST = 300
MOST_LINES = 5
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(?!.*`)")


def quoted(message: Message, body: str) -> str:
    """Return the beginning of an answer: the message's author, a link to it, its first lines without its own quotes."""
    said = "\n".join(_own_lines(body)).strip()
    short = "\n".join(said.splitlines()[:MOST_LINES])[:LONGEST].rstrip()
    if short != said:
        short += "…"
    link = f"/rooms/{message.room_id}/messages/{message.id}#m-{message.id}"
    head = f"@{escaped(message.author.name)} [wrote]({link}):"
    return "".join(f"> {line}\n" for line in (head, *short.splitlines())) + "\n"


def _own_lines(body: str) -> Iterator[str]:
    """Return the lines of a text without its quotes. A > within code begins no quote."""
    fence = ""
    for line in body.splitlines():
        if fence:
            is_last = line.rstrip().endswith(fence)
            fence = "" if is_last else fence
        elif line.startswith(">"):
            continue
        elif opened := _FENCE.match(line):
            fence = opened[1]
        yield line
