"""Finding messages in the rooms of the person who searches."""

import functools
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import anyio
import anyio.to_thread
from markupsafe import Markup
from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    String,
    Text,
    and_,
    cast,
    exists,
    extract,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import REGCONFIG, TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat.accounts.person import Visitor
from chat.database.engine import is_one_of
from chat.derived_tables import searchable
from chat.errors import DatabaseUnavailable, InvalidInput
from chat.folding import bare
from chat.ids import MessageId, RoomId, UserId
from chat.messages.emoji import shortcodes
from chat.messages.message import Message, message_from, select_messages
from chat.models import files, memberships, messages, rooms, users
from chat.rooms.room import direct_name, others_in
from chat.search.extract import extract as extract_of
from chat.search.folding import spaced
from chat.search.query import Kind, Question, Term
from chat.sqlstates import QUERY_CANCELED

PAGE = 20
# The number of newest matches that are ranked: a word found in half a million messages must not be ranked in all.
WEIGHED = 1000
FADES_IN = 30 * 24 * 3600.0  # seconds after which a message weighs half

# However many people search, most of the database's connections stay free for other requests.
_limiter = functools.cache(lambda: anyio.CapacityLimiter(4))

# The planner must see the words, whose frequency differs by a factor of a million. An index in memory is faster than it
# assumes, and compiling a query takes longer than running it.
_PREPARE = text("""
    SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true),
        set_config('random_page_cost', '1.1', true), set_config('statement_timeout', '5s', true)
""")

Order = Literal["best", "newest"]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Part:
    """The wanted part of the results: the `page`th page, in an order, of the messages below `before`."""

    order: Order = "best"
    page: int = 1
    before: MessageId | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A message found by a search."""

    message: Message
    room_name: str
    extract: Markup


@dataclass(frozen=True, slots=True)
class ResultPage:
    """A page of results. `has_more` says that there is a next page; `older` continues beyond the `WEIGHED` newest."""

    results: list[Result]
    has_more: bool
    older: MessageId | None


async def find(database: AsyncEngine, visitor: Visitor, question: Question, part: Part) -> ResultPage:
    """Return a page of results in the visitor's rooms, from the newest `WEIGHED` messages that match.

    Raises `InvalidInput` for the field `q` when it names an unknown person or room, or the search takes too long.
    """
    try:
        async with _limiter(), database.connect() as connection:
            await connection.execute(_PREPARE)
            return await _find(connection, visitor, question, part)
    except DatabaseUnavailable as error:
        if error.sqlstate != QUERY_CANCELED:
            raise
        raise InvalidInput(q="This search takes too long. Add a word, in: or from:.") from error


async def check_names(connection: AsyncConnection, visitor: Visitor, question: Question) -> None:
    """Raise `InvalidInput` for the field `q` when a search names an unknown person or room."""
    await _room_ids(connection, visitor, question)
    for authors in filter(None, (question.authors, question.unwanted_authors)):
        await _author_ids(connection, visitor, authors)


async def _find(connection: AsyncConnection, visitor: Visitor, question: Question, part: Part) -> ResultPage:
    conditions = await _conditions(connection, visitor, question)
    if part.before:
        conditions.append(searchable.c.message_id < part.before)
    rows = (await connection.execute(_page_of(conditions, question, part))).all()
    has_more = len(rows) > PAGE
    is_cut = bool(rows) and rows[0].candidates == WEIGHED and not has_more
    results = await _shown(connection, visitor, question, [row.message_id for row in rows[:PAGE]])
    return ResultPage(results, has_more, rows[0].oldest if is_cut else None)


def _page_of(conditions: list[ColumnElement[bool]], question: Question, part: Part) -> Select[Any]:
    """Return a query for a page of the newest messages that match: their ids, their number, and the oldest of all."""
    weighed = (
        select(searchable.c.message_id, searchable.c.words, searchable.c.posted_at)
        .where(*conditions)
        .order_by(searchable.c.message_id.desc())
        .limit(WEIGHED)
        .subquery()
    )
    age = cast(extract("epoch", func.now() - weighed.c.posted_at), Float)
    weight = _rank(weighed.c.words, question) / (1 + age / FADES_IN)
    newest = weighed.c.message_id.desc()
    return (
        select(
            weighed.c.message_id,
            func.count().over().label("candidates"),
            func.min(weighed.c.message_id).over().label("oldest"),
        )
        .order_by(*([newest] if part.order == "newest" else [weight.desc(), newest]))
        .limit(PAGE + 1)
        .offset((part.page - 1) * PAGE)
    )


async def _shown(
    connection: AsyncConnection, visitor: Visitor, question: Question, message_ids: list[MessageId]
) -> list[Result]:
    statement = (
        select_messages()
        .add_columns(rooms.c.kind, rooms.c.name.label("room_name"))
        .join(rooms, rooms.c.id == messages.c.room_id)
        # A deleted message stays in the index for a moment.
        .where(is_one_of(messages.c.id, message_ids), messages.c.deleted_at.is_(None))
    )
    found = {row.id: row for row in await connection.execute(statement)}
    people = await others_in(connection, visitor.id, [row.room_id for row in found.values() if row.kind == "direct"])
    rows = [found[message_id] for message_id in message_ids if message_id in found]
    shown = [message_from(row) for row in rows]
    names = [row.room_name or direct_name(visitor, people[row.room_id]) for row in rows]
    # Twenty long messages and twenty terms take a tenth of a second.
    extracts = await anyio.to_thread.run_sync(lambda: [extract_of(_text_of(each), question.wanted) for each in shown])
    return [Result(*each) for each in zip(shown, names, extracts, strict=True)]


def _text_of(message: Message) -> str:
    """Return the markup in which a search finds words: the text, and the names of the files."""
    return message.body + Markup("").join(Markup("<p>{}</p>").format(file.name) for file in message.files)


async def _conditions(connection: AsyncConnection, visitor: Visitor, question: Question) -> list[ColumnElement[bool]]:
    conditions = [
        is_one_of(searchable.c.room_id, await _room_ids(connection, visitor, question)),
        *(_condition(term) for term in question.terms),
    ]
    if question.authors:
        authors = await _author_ids(connection, visitor, question.authors)
        conditions.append(is_one_of(searchable.c.author_id, authors))
    if question.unwanted_authors:
        authors = await _author_ids(connection, visitor, question.unwanted_authors)
        conditions.append(not_(is_one_of(searchable.c.author_id, authors)))
    if question.since:
        conditions.append(searchable.c.posted_at >= question.since)
    if question.until:
        conditions.append(searchable.c.posted_at < question.until)
    conditions += [_has(kind) for kind in question.kinds]
    conditions += [not_(_has(kind)) for kind in question.unwanted_kinds]
    conditions += [_has_file_named(name) for name in question.file_names]
    conditions += [not_(_has_file_named(name)) for name in question.unwanted_file_names]
    return conditions


def _has(kind: Kind) -> ColumnElement[bool]:
    if kind == "link":
        return searchable.c.has_link
    is_its_file = files.c.message_id == searchable.c.message_id
    # Only a picture that can be shown has a width.
    return exists().where(is_its_file, *([files.c.width.is_not(None)] if kind == "image" else []))


def _has_file_named(name: str) -> ColumnElement[bool]:
    is_named = func.bare(files.c.name, type_=Text).contains(name, autoescape=True)
    return exists().where(files.c.message_id == searchable.c.message_id, is_named)


def _condition(term: Term) -> ColumnElement[bool]:
    if term.has_sign:
        # Signs are in no index. Letters before it would be another word: `c#` in `abc#`.
        has_words = and_(*(searchable.c.text.contains(word, autoescape=True) for word in term.text.split()))
        return _wanted(has_words & searchable.c.text.regexp_match(term.pattern), term)
    said = or_(
        false() if term.is_sign else searchable.c.words.op("@@")(_as_query(term, by_prefix=not term.is_phrase)),
        *(searchable.c.text.contains(text, autoescape=True) for text in _texts(term)),
    )
    return _wanted(said, term)


def _wanted(said: ColumnElement[bool], term: Term) -> ColumnElement[bool]:
    return not_(func.coalesce(said, False)) if term.is_unwanted else said


def _texts(term: Term) -> list[str]:
    """Return the texts to find within messages. Signs are in no index: 600,000 messages are read in 0.1 seconds."""
    if term.is_sign:
        return [term.text, *shortcodes(term.text)]
    return [term.text] if term.is_substring else []


def _as_query(term: Term, *, by_prefix: bool) -> ColumnElement[str]:
    """Return a query for a term's words in order, the last as a prefix if `by_prefix`; an empty one for no words."""
    phrase = func.phraseto_tsquery(literal("simple", REGCONFIG), literal(spaced(term.text)), type_=TSQUERY)
    if not by_prefix or len(term.text) == 1:
        return phrase
    return cast(func.nullif(cast(phrase, String), "") + ":*", TSQUERY)


def _rank(words: ColumnElement[str], question: Question) -> ColumnElement[float]:
    """Return the rank of a message for the wanted terms; a whole word counts twice as much as a prefix."""
    rank: ColumnElement[float] = literal(0.01, Float)
    for term in question.wanted:
        for by_prefix in (False, True):
            rank = rank + func.coalesce(func.ts_rank(words, _as_query(term, by_prefix=by_prefix), type_=Float), 0.0)
    return rank


async def _room_ids(connection: AsyncConnection, visitor: Visitor, question: Question) -> list[RoomId]:
    statement = (
        select(rooms.c.id, rooms.c.kind, rooms.c.name)
        .join(memberships, memberships.c.room_id == rooms.c.id)
        .where(memberships.c.user_id == visitor.id)
    )
    mine = (await connection.execute(statement)).all()
    if not question.rooms and not question.unwanted_rooms:
        return [row.id for row in mine]
    people = await others_in(connection, visitor.id, [row.id for row in mine if row.kind == "direct"])
    names = {row.id: bare(row.name or direct_name(visitor, people[row.id])) for row in mine}
    meant = _rooms_named(names, question.rooms) if question.rooms else set(names)
    return sorted(meant - (_rooms_named(names, question.unwanted_rooms) if question.unwanted_rooms else set()))


def _rooms_named(names: dict[RoomId, str], wanted: tuple[str, ...]) -> set[RoomId]:
    meant = {room_id for name in wanted for room_id in _closest(names, name)}
    if not meant:
        raise InvalidInput(q=f"You are not in a room called “{wanted[0]}”.")
    return meant


async def _author_ids(connection: AsyncConnection, visitor: Visitor, authors: tuple[str, ...]) -> list[UserId]:
    wanted = [bare(visitor.name) if name == "me" else name for name in authors]
    named = or_(*(users.c.bare_name.contains(name, autoescape=True) for name in wanted))
    rows = (await connection.execute(select(users.c.id, users.c.name).where(named))).all()
    names = {row.id: bare(row.name) for row in rows}
    meant = {user_id for name in wanted for user_id in _closest(names, name)}
    if "me" in authors:
        meant.add(visitor.id)
    if not meant:
        raise InvalidInput(q=f"Nobody here is called “{authors[0]}”.")
    return sorted(meant)


def _closest(names: dict[Key, str], wanted: str) -> set[Key]:
    """Return the keys whose name equals `wanted`, else those whose name begins with it, else those that contain it."""
    for matches in (wanted.__eq__, lambda name: name.startswith(wanted), lambda name: wanted in name):
        found = {key for key, name in names.items() if matches(name)}
        if found:
            return found
    return set()
