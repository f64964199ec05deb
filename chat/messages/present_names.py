"""Mentions under the present names of their people, who may have been renamed since a message was written.

A message's stored markup holds the ids of the people it mentions, and their names at that time.
"""

import html
import re
from collections.abc import Mapping

from markupsafe import escape
from sqlalchemy import literal_column
from sqlalchemy.dialects.postgresql import JSONB

from chat.accounts.person import Person
from chat.folding import folded
from chat.ids import UserId
from chat.messages.mentionable import Mentionable

_MENTION = re.compile(r'(<a class="mention" href="/people/(\d+)"[^>]*>@)([^<]*)')
_MENTIONED = r"""
    CASE WHEN messages.body_html LIKE '%class="mention" href="%' THEN (
        SELECT jsonb_object_agg(person.id, person.name) FROM users AS person WHERE person.id IN (
            SELECT found[1]::bigint
            FROM regexp_matches(messages.body_html, 'class="mention" href="/people/(\d+)"', 'g') AS found
        )
    ) END
"""
# The present names of the people mentioned, by id, beside `messages`; most messages need no look-up.
MENTIONED = literal_column(_MENTIONED, JSONB).label("mentioned")


def markup_with(names: Mapping[str, str], markup: str) -> str:
    """Return a message's stored markup with the present names of the people it mentions."""
    return _MENTION.sub(lambda found: f"{found[1]}{escape(names.get(found[2], html.unescape(found[3])))}", markup)


def text_with(names: Mapping[str, str], body: str, markup: str) -> str:
    """Return a message's text as typed, but with the present names of the people that its stored markup mentions."""
    renamed = {
        folded(html.unescape(old)): names[number]
        for _, number, old in _MENTION.findall(markup)
        if number in names and folded(html.unescape(old)) != folded(names[number])
    }
    mentionable = Mentionable(tuple(Person(UserId(0), old) for old in renamed))
    parts, done = [], 0
    for start, end in mentionable.names_in(body) if renamed else ():
        parts += [body[done : start + 1], renamed[folded(body[start + 1 : end])]]
        done = end
    return "".join([*parts, body[done:]])


def people_in(markup: str) -> tuple[Person, ...]:
    """Return the people that a message's markup mentions."""
    found = {int(number): html.unescape(name) for _, number, name in _MENTION.findall(markup)}
    return tuple(Person(UserId(number), name) for number, name in found.items())
