"""Quoting a message in an answer, shortened and with a link back to it."""

from chat.messages.markdown import escaped
from chat.messages.message import Message

LONGEST = 300
MOST_LINES = 5


def quoted(message: Message, body: str) -> str:
    """Return the beginning of an answer: the message's author, a link to it, its first lines without its own quotes."""
    lines = [line for line in body.splitlines() if not line.startswith(">")]
    said = "\n".join(lines).strip()
    short = "\n".join(said.splitlines()[:MOST_LINES])[:LONGEST].rstrip()
    if short != said:
        short += "…"
    link = f"/rooms/{message.room_id}/messages/{message.id}#m-{message.id}"
    head = f"@{escaped(message.author.name)} [wrote]({link}):"
    return "".join(f"> {line}\n" for line in (head, *short.splitlines())) + "\n"
