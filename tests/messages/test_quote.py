"""Quoting the first lines of a message."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from markupsafe import Markup

from chat.accounts.person import Person
from chat.ids import MessageId, Position, Revision, RoomId, UserId
from chat.messages.message import Message
from chat.messages.quote import quoted


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("> older\n\nyes", ["yes"]),
        ("```\n> a = 1\nb\n```", ["```", "> a = 1", "b", "```"]),
        ("~~~ sh\n> x\n~~~\n> older\nend", ["~~~ sh", "> x", "~~~", "end"]),
        ("```foo\n> x```\n> older\nend", ["```foo", "> x```", "end"]),
        ("```inline``` code\n> older\nend", ["```inline``` code", "end"]),
    ],
)
def test_a_quote_has_the_lines_of_code_but_not_older_quotes(body: str, lines: list[str]) -> None:
    bob, one, now = Person(UserId(2), "Bob"), Revision(1), datetime.now(UTC)
    message = Message(
        MessageId(5), RoomId(1), bob, uuid4(), Markup(), False, False, Position(1), one, one, now, False, False
    )
    head = "> @Bob [wrote](/rooms/1/messages/5#m-5):\n"
    assert quoted(message, body) == head + "".join(f"> {line}\n" for line in lines) + "\n"
