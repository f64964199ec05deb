"""Files are found by their names and kinds."""

from tests.search.test_search import finds
from tests.support.people import Person
from tests.support.pictures import encoded, plain
from tests.support.searching import until_searchable
from tests.support.uploading import send_file


def test_files_are_found_by_name_and_kind(alice: Person) -> None:
    alice.post(1, "no file here, just a plan")
    send_file(alice, "Garden Plan.pdf", b"%PDF-1.7", "for spring")
    send_file(alice, "cat.png", encoded(plain(20, 20), "PNG"))
    until_searchable(alice.server)
    page = alice.get("/search?q=garden").text
    assert "<mark>Garden</mark> Plan.pdf" in page
    for question, number in {
        "plan": 2,
        "garden spring": 1,
        "cat": 1,
        "has:file": 2,
        "has:image": 1,
        "has:file -has:image": 1,
        "-has:file plan": 1,
        "filename:plan": 1,
        "filename:PLAN.pdf": 1,
        "has:file -filename:plan": 1,
        "filename:100%": 0,
    }.items():
        assert len(finds(alice, question)) == number, question
    alice.delete(2)
    until_searchable(alice.server)
    assert finds(alice, "filename:plan") == []
    assert "has:link, has:file or has:image" in alice.get("/search?q=has:cake").text
