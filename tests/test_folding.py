"""The same letters are the same in every comparison, in Python and in the database."""

import unicodedata

import pytest
from sqlalchemy import text

from chat.database.engine import create_engine
from chat.database.migrate import move_to
from chat.folding import bare, folded
from tests.support.databases import query
from tests.support.people import Person, bodies, sign_in, sign_up
from tests.support.searching import until_searchable

LETTERS = [chr(code) for code in range(1, 0x30000) if unicodedata.category(chr(code))[0] in "LMNPS"]


def test_python_and_the_database_fold_every_letter_alike(database_url: str) -> None:
    texts = [*LETTERS, *(f"a{letter}\u0301" for letter in LETTERS[:2000]), "İDA", "ΟΔΟΣ", "οδός", "I\u0307x", "한글"]
    told = query(database_url, "SELECT folded(each), bare(each) FROM unnest($1::text[]) AS each", texts)
    # Python and PostgreSQL may know different versions of Unicode.
    differ = [each for each, both in zip(texts, told, strict=True) if both != (folded(each), bare(each))]
    assert [each for each in differ if not unicodedata.category(each[-1]).startswith("L")] == []
    assert len(differ) < 100, differ[:20]
    assert {folded("İda"), folded("ida"), folded("I\u0307DA")} == {"ida"}


@pytest.mark.parametrize("typed", ["@İbrahim Kaya", "@ibrahim kaya", "@IBRAHIM KAYA", "@I\u0307brahim Kaya"])
def test_a_text_folds_to_what_its_name_folds_to(typed: str) -> None:
    assert folded(typed) == "@ibrahim kaya"


def test_the_same_name_is_found_however_its_letters_are_typed(alice: Person) -> None:
    """Mention, invite, search and sign in by composed and decomposed letters, dotted capitals, and without accents."""
    people = {name: sign_up(alice.server, name) for name in ("İbrahim Kaya", "Jose\u0301 Ruiz", "홍길동")}
    alice.post(1, "@ibrahim kaya please look")
    alice.post(1, "@İbrahim Kaya and @Jose\u0301 Ruiz and @JOSÉ RUIZ, " + unicodedata.normalize("NFD", "@홍길동님"))
    assert alice.reads(1)[-2:] == [
        "@İbrahim Kaya please look",
        "@İbrahim Kaya and @José Ruiz and @José Ruiz, @홍길동님",
    ]
    for name, count in (("İbrahim Kaya", 2), ("Jose\u0301 Ruiz", 1), ("홍길동", 1)):
        assert len(bodies(people[name].get("/mentions").text)) == count, name
    garden = alice.create_room("Garten İ")
    for typed, shown in (("ibrahim kaya", "İbrahim Kaya"), ("jose ruiz", "José Ruiz"), ("홍길동", "홍길동")):
        alice.post(garden, f"/invite {unicodedata.normalize('NFD', typed)}")
        assert alice.reads(garden)[-1] == f"invited {shown}"
    for typed, shown in (("@jo", "José"), ("@JOSÉ", "José"), ("@ru", "José"), ("@길동", "홍길동"), ("@ka", "İbrahim")):
        assert shown in alice.get(f"/rooms/1/completions?word={typed}").text, typed
    assert "José" not in alice.get("/rooms/1/completions?word=@os").text
    for place in ("/people?q=jose", "/switch?q=JOSE", "/rooms?q=garten i"):
        assert ("Garten" if "rooms" in place else "José") in alice.get(place).text, place
    until_searchable(alice.server)
    for asked in ("from:alice in:lobby ibrahim", "from:alice IBRAHIM"):
        assert "please look" in alice.get(f"/search?q={asked}").text, asked


def test_names_and_addresses_that_only_look_different_to_a_computer_are_taken(alice: Person) -> None:
    alice.create_room("Caf\u00e9")
    assert "already an open room" in alice.submit("/rooms", {"name": "CAFE\u0301", "kind": "open"}).text
    assert alice.submit("/rooms", {"name": "Cafe", "kind": "open"}).status_code == 303
    ida = sign_up(alice.server, "İda")
    sign_in(alice.server, Person(ida.name, ida.email.upper().replace("İ", "I"), ida.client, alice.server))


@pytest.mark.anyio
async def test_the_migration_composes_stored_names_and_tells_equal_ones_apart(database_url: str) -> None:
    engine = create_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(move_to, "0001")
        await connection.execute(text("INSERT INTO rooms (kind, name) VALUES ('open', 'Café'), ('open', 'Cafe\u0301')"))
        people = "INSERT INTO users (email, name, password_hash, role) VALUES ('a@b.org', 'Jose\u0301', '', 'member')"
        await connection.execute(text(people))
        await connection.run_sync(move_to, "head")
        names = (await connection.execute(text("SELECT name, bare_name FROM rooms ORDER BY id"))).all()
        assert [tuple(row) for row in names] == [("Café", "cafe"), ("Café 2", "cafe 2")]
        assert (await connection.execute(text("SELECT name, bare_name FROM users"))).one() == ("José", "jose")
    await engine.dispose()
