"""Answering: what one answers to, in short, with the way back to it."""

from chat.messages.markdown import escaped
from chat.messages.message import Message

LONGEST = 300
MOST_LINES = 5


def quoted(message: Message, body: str) -> str:
    """The beginning of an answer to a message: its author, a link to it, its first lines, less what it quotes."""
    lines = [line for line in body.splitlines() if not line.startswith(">")]
    said = "\n".join(lines).strip()
    short = "\n".join(said.splitlines()[:MOST_LINES])[:LONGEST].rstrip()
    if short != said:
        short += "…"
    link = f"/rooms/{message.room_id}/messages/{message.id}#m-{message.id}"
    head = f"@{escaped(message.author.name)} [wrote]({link}):"
    return "".join(f"> {line}\n" for line in (head, *short.splitlines())) + "\n"
