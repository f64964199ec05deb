"""The directory: people as others see them."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.look_alikes import check_look_alikes
from chat.accounts.person import Person
from chat.accounts.sign_up import valid_name
from chat.accounts.status import status_column
from chat.change import Change
from chat.database.engine import contains, is_one_of
from chat.errors import NotFound
from chat.ids import RoomId, UserId
from chat.live.events import PersonRenamed
from chat.models import installation, memberships, rooms, users
from chat.templating import fragment

PAGE = 200


def select_people() -> Select[Any]:
    """Return a `select` of people by name, whose rows are the values of a `Person`; callers filter it."""
    person = (users.c.id, users.c.name, status_column(), users.c.small_picture)
    return select(*person).order_by(func.lower(users.c.name), users.c.id)


async def find_people(connection: AsyncConnection, query: str) -> list[Person]:
    """Return the first 200 people whose name contains `query`, by name."""
    found = await connection.execute(select_people().where(contains(users.c.bare_name, query)).limit(PAGE))
    return [Person(*row) for row in found]


async def people_by_ids(connection: AsyncConnection, user_ids: Collection[UserId]) -> list[Person]:
    """Return the people with these ids who exist, by name."""
    return [Person(*row) for row in await connection.execute(select_people().where(is_one_of(users.c.id, user_ids)))]


async def person_by_id(connection: AsyncConnection, user_id: UserId) -> Person:
    """Return a person; raises `NotFound`."""
    row = (await connection.execute(select_people().where(users.c.id == user_id))).one_or_none()
    if row is None:
        raise NotFound
    return Person(*row)


async def time_zone_of(connection: AsyncConnection, user_id: UserId) -> str | None:
    """Return the time zone that a person has chosen, None if they have not."""
    zone: str | None = (await connection.execute(select(users.c.time_zone).where(users.c.id == user_id))).scalar()
    return zone


async def rename_person(change: Change, user_id: UserId, name: str) -> None:
    """Change a person's name; raises `InvalidInput`, also when it looks like another person's."""
    await check_look_alikes(change.connection, valid_name(name), of=user_id)
    await change.connection.execute(update(users).where(users.c.id == user_id).values(name=valid_name(name)))
    await change.connection.execute(update(installation).values(people_revision=installation.c.people_revision + 1))
    person, directs = await person_by_id(change.connection, user_id), await _directs_of(change.connection, user_id)
    people = {user_id}.union(*directs.values())
    change.tell(PersonRenamed(fragment("accounts/_renamed.html", person=person), tuple(directs), tuple(people)))


async def _directs_of(connection: AsyncConnection, user_id: UserId) -> dict[RoomId, list[UserId]]:
    """Return a person's direct rooms, which are named for their members, and the members of each."""
    mine = select(memberships.c.room_id).where(memberships.c.user_id == user_id)
    statement = (
        select(memberships.c.room_id, func.array_agg(memberships.c.user_id))
        .join(rooms, rooms.c.id == memberships.c.room_id)
        .where(rooms.c.kind == "direct", memberships.c.room_id.in_(mine))
        .group_by(memberships.c.room_id)
    )
    return {RoomId(room_id): people for room_id, people in await connection.execute(statement)}
