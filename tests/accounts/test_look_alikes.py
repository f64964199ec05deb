"""Nobody takes the name of another person, or one that looks like it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from chat.accounts.look_alikes import looks_of
from chat.database.engine import create_engine
from chat.database.migrate import move_to
from tests.support.people import PASSWORD, Person, browser, email_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alice Adams", "\u0410lice Adams"),
        ("Alice", "aLICE"),
        ("paypal", "\u0440\u0430\u0443\u0440\u0430l"),
        ("Olivia", "0livia"),
        ("Ian", "lan"),
        ("José", "Jose\u0301"),
        ("Ｂob", "Bob"),
        ("O'Neil", "O’Neil"),
        ("Bob", "Bo\u200db"),
        ("田中", "⽥中"),
    ],
)
def test_names_that_look_the_same_are_alike(one: str, other: str) -> None:
    assert looks_of(one) & looks_of(other)
    assert looks_of(other) & looks_of(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ian", "Lan"),
        ("José", "Jose"),
        ("Öz", "Oz"),
        ("Person 1", "Person 2"),
        ("Bob", "Bob Brown"),
        ("김철수", "김철"),
    ],
)
def test_other_names_are_not_alike(one: str, other: str) -> None:
    assert not looks_of(one) & looks_of(other)


def test_nobody_takes_the_administrators_name_or_one_that_looks_like_it(alice: Person, bob: Person) -> None:
    for name in ("Alice Adams", "ALICE ADAMS", "\u0410lice Adams", "Alice Аdams"):
        fields = {"name": name, "email": "eve@example.org", "password": PASSWORD}
        refused = browser(alice.server).post("/sign-up", data=fields)
        assert refused.status_code == 422
        assert "one that looks like it" in refused.text
        refused = bob.submit("/profile/name", {"name": name})
        assert refused.status_code == 422
        assert "one that looks like it" in refused.text
    assert bob.submit("/profile/name", {"name": "BOB BROWN"}).status_code == 303


def test_of_two_who_choose_a_name_at_once_one_gets_it(alice: Person) -> None:
    def sign_up(number: int) -> int:
        fields = {"name": "Eve", "email": email_of(f"eve {number}"), "password": PASSWORD}
        return browser(alice.server).post("/sign-up", data=fields).status_code

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(sign_up, range(3))) == [303, 422, 422]


@pytest.mark.anyio
async def test_the_migration_numbers_people_of_the_same_name(database_url: str) -> None:
    engine = create_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(move_to, "0002")
        for number, name in enumerate(("Alex", "alex", "Alex 2", "Kim", "ALEX")):
            person = "INSERT INTO users (email, name, password_hash, role) VALUES (:email, :name, '', 'member')"
            await connection.execute(text(person), {"email": f"{number}@b.org", "name": name})
        await connection.run_sync(move_to, "head")
        names = (await connection.execute(text("SELECT name FROM users ORDER BY id"))).scalars().all()
        assert names == ["Alex", "alex 2", "Alex 2 2", "Kim", "ALEX 3"]
    await engine.dispose()
