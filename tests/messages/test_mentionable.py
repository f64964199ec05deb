"""Finding members' names in a text."""

import pytest

from chat.accounts.person import Person
from chat.ids import UserId
from chat.messages.mentionable import Mentionable

NAMES = ("Bob", "Bob Brown", "김철수", "김철", "田中", "佐々木", "ﾀﾅｶ", "𠮷野")
EVERYBODY = Mentionable(tuple(Person(UserId(number), name) for number, name in enumerate(NAMES)), everybody=True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("@bob brown, @BOB: hi", ["bob brown", "BOB"]),
        ("@bobby a@bob @@bob é@bob 1@bob", []),
        ("@김철수님 안녕하세요", ["김철수"]),
        ("@김철이랑 @bob이랑", ["김철", "bob"]),
        ("@김철수ㅋㅋ", ["김철수"]),
        ("@田中さん、@佐々木さん", ["田中", "佐々木"]),
        ("ねえ@田中", ["田中"]),
        ("時々@田中@bob", ["田中", "bob"]),
        ("ｱﾉ@ﾀﾅｶｻﾝ", ["ﾀﾅｶ"]),
        ("𠮷@𠮷野𠮷", ["𠮷野"]),
        ("你好@bob，请问@room们", ["bob", "room"]),
        ("안녕@bobby 田中@bob.example", ["bob"]),
    ],
)
def test_a_name_is_found_in_scripts_without_spaces(text: str, named: list[str]) -> None:
    assert [text[start + 1 : end] for start, end in EVERYBODY.names_in(text)] == named
