"""Checks the rows of a backup, which may be forged, before they enter the database.

Fields that pages trust are rendered again or checked here: a message's markup, its reactions, and the cost of verifying
a password's hash. Fields have the format of PostgreSQL's COPY.
"""

import html
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import BigInteger, DateTime, Integer
from sqlalchemy.types import TypeEngine

from chat.accounts.person import Person
from chat.accounts.sign_up import LONGEST_NAME
from chat.backup.file import TABLES, BackupFile
from chat.files.pictures import PICTURES
from chat.folding import folded
from chat.ids import UserId
from chat.messages.body import LONGEST_BODY
from chat.messages.emoji import is_emoji
from chat.messages.markdown import unescaped
from chat.messages.mentionable import EVERYBODY, Mentionable
from chat.messages.reactions import MOST_KINDS
from chat.messages.shown_links import is_address
from chat.messages.workshop import Workshop
from chat.text import single_line

NULL = b"\\N"
LONGEST_FIELD = 64 * 1024
LONG_FIELDS = {"body_html", "reactions"}
MOST_NAMED = 500
# Our own hashes cost 64 MB and three rounds.
COSTLIEST_HASH = {"m": 256 * 1024, "t": 12, "p": 16}
# The PHC string format.
_HASH = re.compile(
    r"\$argon2id\$v=19\$m=(?P<m>\d{3,7}),t=(?P<t>[1-9]\d?),p=(?P<p>[1-9]\d?)"
    r"\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{22,86}"
)
# Numbers must have room to grow: a room at the largest possible revision takes no more messages. Up to this one they
# are exact in JavaScript as well.
_NUMBER, _SMALL_NUMBER = re.compile(rb"\d{1,15}"), re.compile(rb"\d{1,9}")
# Python knows the years 1 to 9999, and a reader's time zone moves a time by some hours.
_NO_MOMENT = re.compile(rb"infinity|BC|(?<![.\d])(?:0\d{3}|9999|\d{5})")

_ESCAPE = re.compile(rb"\\(.?)", re.DOTALL)
_ESCAPED = re.compile(rb"[\\\b\f\n\r\t\v]")
_MEANING = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"\\": b"\\"}
_LETTER = {meaning: b"\\" + letter for letter, meaning in _MEANING.items()}
_MENTION = re.compile(r'<a class="mention" href="/people/(\d{1,18})"[^<>]*>@([^<>]{1,400})</a>')
_CALL = f'<span class="mention">@{EVERYBODY}</span>'

Row = dict[str, bytes]


@dataclass(slots=True)
class _Known:
    """The people that mentions may name, and the members of each room."""

    names: dict[int, str] = field(default_factory=dict)
    by_name: dict[str, list[int]] = field(default_factory=dict)
    administrators: set[int] = field(default_factory=set)
    direct: set[int] = field(default_factory=set)
    owners: set[tuple[int, int]] = field(default_factory=set)
    members: set[tuple[int, int]] = field(default_factory=set)


async def safe_rows(backup: BackupFile, workshop: Workshop) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
    """Yield the tables of a backup with their lines, to be read in this order, each once.

    The lines raise `ValueError` for a field that no version of the chat writes, and `BackupError`.
    """
    known = _Known()
    checks = {
        "users": _check_person,
        "rooms": _check_room,
        "memberships": _check_membership,
        "link_previews": _check_preview,
        "message_links": _check_link,
    }
    # Messages come after the people they mention.
    for table in sorted(backup.tables, key=lambda name: name == "messages"):
        yield table, _lines(backup, table, checks.get(table), known, workshop)


async def _lines(
    backup: BackupFile, table: str, check: Callable[[Row, _Known], None] | None, known: _Known, workshop: Workshop
) -> AsyncIterator[bytes]:
    columns = backup.tables[table].columns
    kinds = {column.name: column.type for column in TABLES[table].columns}
    for number, line in enumerate(backup.lines(table), 1):
        try:
            row = _row(line, columns)
            _check_ranges(row, kinds)
            if check is not None:
                check(row, known)
            elif table == "messages":
                await _make_message(row, known, workshop)
        except (ValueError, KeyError, RecursionError) as error:
            raise ValueError(f"{table}, row {number}: {error}") from error
        yield b"\t".join(row.values())


def _row(line: bytes, columns: Sequence[str]) -> Row:
    fields = line.split(b"\t")
    if len(fields) != len(columns):
        raise ValueError(f"it has {len(fields)} fields")
    if len(line) > LONGEST_FIELD:
        for column, content in zip(columns, fields, strict=True):
            if len(content) > LONGEST_FIELD and column not in LONG_FIELDS:
                raise ValueError(f"{column} is too long")
    return dict(zip(columns, fields, strict=True))


def _check_ranges(row: Row, kinds: Mapping[str, TypeEngine[object]]) -> None:
    for column, content in row.items():
        match kinds.get(column):
            case BigInteger() if content != NULL:
                is_in_range = _NUMBER.fullmatch(content) is not None
            case Integer() if content != NULL:
                is_in_range = _SMALL_NUMBER.fullmatch(content) is not None
            case DateTime():
                is_in_range = _NO_MOMENT.search(content) is None
            case _:
                is_in_range = True
        if not is_in_range:
            raise ValueError(f"{column} is out of range")


def _check_person(row: Row, known: _Known) -> None:
    password_hash = _text(row["password_hash"])
    cost = _HASH.fullmatch(password_hash)
    # A hash sets the memory and time that its verification takes.
    if cost is None or any(int(cost[name]) > most for name, most in COSTLIEST_HASH.items()):
        raise ValueError("a password's hash is not one of ours")
    user_id, name = int(row["id"]), _text(row["name"])
    known.names[user_id] = name
    known.by_name.setdefault(folded(name), []).append(user_id)
    if row["role"] == b"administrator":
        known.administrators.add(user_id)


def _check_room(row: Row, known: _Known) -> None:
    if row["kind"] == b"direct":
        known.direct.add(int(row["id"]))


def _check_membership(row: Row, known: _Known) -> None:
    seat = (int(row["room_id"]), int(row["user_id"]))
    known.members.add(seat)
    if row["role"] == b"owner":
        known.owners.add(seat)


def _check_preview(row: Row, _known: _Known) -> None:
    _check_link(row, _known)
    for column in ("site", "title", "description"):
        said = _text(row[column])
        if said != single_line(said):
            raise ValueError(f"{column} has characters that cannot be seen")
    if row["picture_kind"] != NULL and row["picture_kind"].decode() not in PICTURES:
        raise ValueError("a preview's picture is not one")


def _check_link(row: Row, _known: _Known) -> None:
    if not is_address(_text(row["address"])):
        raise ValueError("a link's address is not one of the web")


async def _make_message(row: Row, known: _Known, workshop: Workshop) -> None:
    body = _text(row["body"])
    if len(body) > LONGEST_BODY:
        raise ValueError("it is too long")
    kept, reactions = _text(row["body_html"]), _reactions(json.loads(_text(row["reactions"])))
    row["body_html"] = _field(await _markup(body, kept, row, known, workshop) if body else "")
    row["reactions"] = _field(json.dumps(reactions, ensure_ascii=False))


async def _markup(body: str, kept: str, row: Row, known: _Known, workshop: Workshop) -> str:
    """Render a message's markup from its text.

    The stored markup tells only which name meant which person, since they may have been renamed. If rendering does not
    reproduce it, names mean the people who have them now.
    """
    author_id = UserId(int(row["author_id"]))
    if "@" not in body:
        return (await workshop.written(body, author_id)).html
    said = folded(unescaped(body))
    people = {}
    for match in _MENTION.finditer(kept):
        name = html.unescape(match[2])
        if int(match[1]) in known.names and len(name) <= LONGEST_NAME and f"@{folded(name)}" in said:
            people[folded(name)] = Person(UserId(int(match[1])), name)
        if len(people) == MOST_NAMED:
            break
    made = await workshop.written(body, author_id, Mentionable(tuple(people.values()), _CALL in kept))
    if made.html == kept:
        return kept
    return (await workshop.written(body, author_id, _mentionable(said, row, known))).html


def _mentionable(said: str, row: Row, known: _Known) -> Mentionable:
    """Return the people a text in this room can mention, as when it is posted."""
    room_id, author_id = int(row["room_id"]), int(row["author_id"])
    heads = {begin[:length] for begin in said.split("@")[1:] for length in range(1, min(len(begin), LONGEST_NAME) + 1)}
    named = (user_id for head in heads for user_id in known.by_name.get(head, ()))
    meant = sorted(islice((user_id for user_id in named if (room_id, user_id) in known.members), MOST_NAMED))
    may_call = (room_id, author_id) in known.owners or room_id in known.direct or author_id in known.administrators
    return Mentionable(tuple(Person(UserId(user_id), known.names[user_id]) for user_id in meant), may_call)


def _reactions(said: object) -> list[dict[str, object]]:
    """Check reactions as stored in `messages.reactions`; drops those that are no emoji."""
    if not isinstance(said, list) or len(said) > MOST_KINDS:
        raise ValueError("its reactions are not valid")
    reactions: list[dict[str, object]] = []
    for each in said:
        match each:
            case {"emoji": str(emoji), "by": [_, *_] as by} if all(type(user_id) is int for user_id in by):
                if is_emoji(emoji):
                    reactions.append({"emoji": emoji, "by": by})
            case _:
                raise ValueError("its reactions are not valid")
    return reactions


def _text(content: bytes) -> str:
    if content == NULL:
        raise ValueError("a field that is always filled is empty")
    return _ESCAPE.sub(_meaning, content).decode() if b"\\" in content else content.decode()


def _meaning(match: re.Match[bytes]) -> bytes:
    if match[1] not in _MEANING:
        raise ValueError("PostgreSQL does not write this")
    return _MEANING[match[1]]


def _field(content: str) -> bytes:
    return _ESCAPED.sub(lambda match: _LETTER[match[0]], content.encode())
