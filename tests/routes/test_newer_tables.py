"""Every route while a newer version expands the tables under the running server."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from uuid import uuid4

import httpx

from chat.models import metadata
from tests.routes.table import FIELDS, QUERIES, ROUTES
from tests.routes.world import World, world
from tests.support.server import ROOT

# None of our statements has these names.
ANOTHER_COLUMN = "ALTER TABLE {0} ADD COLUMN newer_{0}_{1} text NOT NULL DEFAULT 'newer'"


def status_of(here: World, client: httpx.Client, route: str) -> int:
    """Request a route as an administrator; returns the status of the answer."""
    method, path = route.split(maxsplit=1)
    place = here.place()
    fill = {**here.people, **place, "new": f"Room {uuid4()}", "uuid": uuid4()}
    fields = {name: value.format(**fill) for name, value in FIELDS.get(route, {}).items()}
    address = f"{path}?{QUERIES.get(route, '')}".rstrip("?").format(**place)
    client.cookies.clear()
    client.cookies.update(here.cookies_of("alice"))
    return client.request(method, address, data=fields if method == "POST" else None).status_code


def test_every_route_answers_as_before_when_every_table_has_got_another_column() -> None:
    # The second request of a route must meet the statements that the first has prepared. A connection keeps a hundred.
    with world(DATABASE_POOL="2") as here, here.client("alice") as client:
        for number, routes in enumerate(batched(ROUTES, 8)):
            before = [status_of(here, client, route) for route in routes]
            for table in metadata.sorted_tables:
                here.tables.execute(ANOTHER_COLUMN.format(table.name, number))
            after = [status_of(here, client, route) for route in routes]
            assert after == before, f"{routes}: {here.server.log[-3000:]}"
            assert max(after) < 500


def batched(routes: Iterable[str], size: int) -> Iterator[list[str]]:
    remaining = iter(routes)
    while batch := list(islice(remaining, size)):
        yield batch


def test_no_statement_takes_all_columns_of_a_table() -> None:
    tables = "|".join(table.name for table in metadata.sorted_tables)
    everything = re.compile(rf"\bRETURNING \*|\b({tables})\.\*|SELECT \*\s+FROM ({tables})\b")
    # A restore runs on tables of its own revision only.
    files = [file for file in (ROOT / "chat").rglob("*.py") if file.parent.name != "backup"]
    assert [file.name for file in files if everything.search(file.read_text())] == []
