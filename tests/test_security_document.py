"""docs/security.md says what is true: each requirement once, with a test that exists or a plain "not yet"."""

import re
from pathlib import Path

import pytest

from chat.accounts.passwords import SHORTEST

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| (.+?) \| (.+?) \| (.+?) \|$", DOCUMENT, re.M)
LEFT_OUT = re.findall(r"^\| ([\d., ]+) \| [^|]+ \|$", DOCUMENT.split("What does not apply")[1], re.M)


def test_every_chapter_is_covered() -> None:
    numbers = [number for number, *_ in ROWS]
    assert len(numbers) == len(set(numbers)) > 150
    places = [tuple(map(int, number.split("."))) for number in numbers]
    assert places == sorted(places)
    left_out = {number for line in LEFT_OUT for number in re.findall(r"[\d.]+\d", line)}
    assert {place[0] for place in places} | {int(each.split(".")[0]) for each in left_out} == set(range(1, 18))
    assert not left_out & set(numbers)


@pytest.mark.parametrize(("number", "test"), [(row[0], row[3]) for row in ROWS], ids=[row[0] for row in ROWS])
def test_every_requirement_names_an_existing_test_or_says_not_yet(number: str, test: str) -> None:
    if test == "**not yet**":
        return
    named = re.fullmatch(r"`(\S+\.py)::(test_\w+)`", test)
    assert named, test
    file = ROOT / "tests" / named[1]
    assert file.is_file(), f"{number}: {file}"
    assert re.search(rf"^ *(async )?def {named[2]}\(", file.read_text(), re.M), f"{number}: {test}"


def test_every_field_for_a_password_is_masked_and_helps_password_managers() -> None:
    fields = [
        line
        for template in (ROOT / "templates").rglob("*.html")
        for line in template.read_text().splitlines()
        if re.search(r"field\(\"\w*password\"|name=\"\w*password\"", line)
    ]
    assert len(fields) >= 6
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field)
        assert "maxlength" not in field
        assert "onpaste" not in field
    assert SHORTEST >= 8
