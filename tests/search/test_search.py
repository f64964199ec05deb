"""Searching messages."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import pytest

from chat.errors import InvalidInput
from chat.folding import bare
from chat.search.extract import extract
from chat.search.query import Term, parse_search
from tests.support.databases import execute, query, run
from tests.support.people import Person, sign_up
from tests.support.searching import until_searchable

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def finds(person: Person, question: str, more: str = "") -> list[str]:
    """The extracts that answer a question, in their order, marked with brackets."""
    until_searchable(person.server)
    answer = person.get(f"/search?q={quote(question)}{more}")
    assert answer.status_code == 200, answer.text
    extracts = re.findall(r'<p class="extract" dir="auto">(.*?)</p>', answer.text, re.DOTALL)
    return [re.sub(r"</?mark>", lambda tag: "]" if "/" in tag[0] else "[", text) for text in extracts]


def test_words_and_parts_are_found_in_any_case_and_without_accents(alice: Person) -> None:
    for body in (
        "The harvest festival",
        "Harvesting at dawn",
        "a **Café** in Zürich",
        "nothing of that",
        "ＡＢＣ１２３",
    ):
        alice.post(1, body)
    assert finds(alice, "harvest") == ["The [harvest] festival", "[Harvest]ing at dawn"]
    assert finds(alice, "HARVEST fest") == ["The [harvest] [fest]ival"]
    assert finds(alice, "arvest") == ["[H"[1:] and "H[arvest]ing at dawn", "The h[arvest] festival"]
    assert finds(alice, "cafe zurich") == ["a [Café] in [Zürich]"]
    assert finds(alice, "abc123") == ["[ＡＢＣ１２３]"]
    assert finds(alice, '"the harvest"') == ["[The harvest] festival"]
    assert finds(alice, '"festival the"') == []
    assert finds(alice, "harvest -dawn") == ["The [harvest] festival"]
    assert finds(alice, "100% _ \\ ' \" <b>") == []


def test_a_sign_of_a_word_counts(alice: Person) -> None:
    said = "C++ and C# by hand|a cat, c and abc#|.NET or dotnet|my net|100% sure|100 sheep|$5, 5$"
    for body in said.split("|"):
        alice.post(1, body)
    assert finds(alice, "C++") == ["[C++] and C# by hand"]
    assert finds(alice, "c#") == ["C++ and [C#] by hand"]
    assert finds(alice, ".net") == ["[.NET] or dotnet"]
    assert finds(alice, "100%") == ["[100%] sure"]
    assert finds(alice, "$5") == ["[$5], 5$"]
    assert finds(alice, "and -c++") == ["a cat, c [and] abc#"]
    assert finds(alice, "(sheep?)") == ["100 [sheep]"]
    assert finds(alice, "sure!") == ["100% [sure]"]
    assert finds(alice, '"by hand" c++') == ["[C++] and C# [by hand]"]


@pytest.mark.parametrize(
    ("body", "question", "found"),
    [
        ("내일 회의가 있습니다", "회의", "내일 [회의]가 있습니다"),
        ("내일 회의가 있습니다", "습니", "내일 회의가 있[습니]다"),
        ("明日の会議は三時からです", "会議", "明日の[会議]は三時からです"),
        ("明日の会議は三時からです", "三", "明日の会議は[三]時からです"),
        ("我们明天在花园见面", "花园", "我们明天在[花园]见面"),
        ("カタカナとＫＡＮＡ", "カナ", "カタ[カナ]とＫＡＮＡ"),
    ],
)
def test_text_in_scripts_without_spaces_is_found_by_any_part(
    alice: Person, body: str, question: str, found: str
) -> None:
    alice.post(1, body)
    alice.post(1, "something else, 会 and 議, 회 and 의")
    assert finds(alice, question) == [found]


def test_a_reader_finds_only_messages_they_may_read(alice: Person, bob: Person) -> None:
    cellar = alice.create_room("Cellar", "closed")
    garden = alice.create_room("Garden")
    carol = sign_up(alice.server, "Carol Clark")
    direct = alice.open_direct(carol)
    for room in (1, cellar, garden, direct):
        alice.post(room, f"secret {room}")
    assert sorted(finds(alice, "secret")) == sorted(f"[secret] {room}" for room in (1, cellar, garden, direct))
    assert finds(bob, "secret") == ["[secret] 1"]
    assert sorted(finds(carol, "secret")) == sorted(["[secret] 1", f"[secret] {direct}"])
    alice.submit(f"/rooms/{cellar}/members", {"person": bob.id})
    assert len(finds(bob, "secret")) == 2
    alice.submit(f"/rooms/{cellar}/members/{bob.id}/remove")
    assert finds(bob, "secret") == ["[secret] 1"]
    assert bob.get("/search?q=in:cellar+secret").status_code == 422


def test_search_follows_edits_and_deletions(alice: Person) -> None:
    alice.post(1, "apples")
    alice.post(1, "pears")
    until_searchable(alice.server)
    alice.edit(1, "plums")
    alice.delete(2)
    assert finds(alice, "apples") == finds(alice, "pears") == []
    assert finds(alice, "plums") == ["[plums]"]
    assert query(alice.server.database_url, "SELECT message_id FROM searchable")[0][0] == 1


def test_operators_limit_a_search_to_authors_rooms_and_kinds(alice: Person, bob: Person) -> None:
    garden = alice.create_room("Garden Club")
    bob.join(garden)
    direct = alice.open_direct(bob)
    alice.post(1, "tea at four")
    bob.post(1, "tea at five, see https://example.org/tea")
    bob.post(garden, "tea and [cake](https://example.org)")
    alice.post(direct, "tea for two")
    assert finds(alice, "tea from:me in:lobby") == ["[tea] at four"]
    assert finds(alice, "tea from:bob in:lobby") == ["[tea] at five, see https://example.org/[tea]"]
    assert finds(alice, 'from:"Bob Brown" in:#garden') == ["tea and cake"]
    assert finds(alice, "TEA FROM:@Alice in:bob") == ["[tea] for two"]
    assert len(finds(alice, "has:link")) == 2
    assert finds(alice, "has:link in:garden") == ["tea and cake"]
    assert len(finds(alice, "in:garden in:lobby")) == 3
    for question, complaint in (
        ("tea from:nobody", "Nobody here is called “nobody”."),
        ("tea in:attic", "You are not in a room called “attic”."),
        ("before:soon", "Write a date after before:"),
        ("has:car", "“has:car” is unknown"),
        ("tea -from:nobody", "Nobody here is called “nobody”."),
        ("tea -in:attic", "You are not in a room called “attic”."),
        ("-has:car", "“has:car” is unknown"),
        ("-before:soon", "Write a date after before:"),
        ('tea after:"9999-12-31"', "Write a date after after:"),
        ('""', "nothing to search for in this"),
        ('-"" \u0301 \ufe0f', "nothing to search for in this"),
        ("x" * 301, "at most 300 characters"),
        (" ".join("abcdefghijklmnopqrstuvwxyz"), "at most 20 words"),
    ):
        answer = alice.get(f"/search?q={quote(question)}")
        assert answer.status_code == 422
        assert complaint in answer.text
        assert question.replace('"', "&#34;") in answer.text, "the input is kept"


def test_negated_operators_exclude_authors_rooms_and_kinds(alice: Person, bob: Person) -> None:
    carol = sign_up(alice.server, "Carol Clark")
    garden = alice.create_room("Garden Club")
    bob.join(garden)
    alice.post(1, "tea by alice")
    bob.post(1, "tea by bob, see https://example.org")
    carol.post(1, "tea by carol")
    bob.post(garden, "tea by bob in the garden")

    def found(question: str) -> list[str]:
        return sorted(text.split(" ", 2)[2] for text in finds(alice, question))

    assert found("tea -from:bob") == ["alice", "carol"]
    assert found("tea -from:me -from:carol in:lobby") == ["bob, see https://example.org"]
    assert found("tea from:bob -in:lobby") == ["bob in the garden"]
    assert found("tea from:bob -in:garden") == ["bob, see https://example.org"]
    assert found("tea -in:garden -has:link") == ["alice", "carol"]
    assert found("tea in:garden -in:garden") == found("has:link -has:link") == found("tea from:me -from:me") == []


def test_symbols_between_words_are_ignored(alice: Person) -> None:
    for body in ("salt & pepper", "salt and pepper", "report – final", "report final", "party 🎉", "a party"):
        alice.post(1, body)
    assert finds(alice, "salt & pepper") == ["[salt] and [pepper]", "[salt] &amp; [pepper]"]
    assert finds(alice, "report – final") == ["[report] [final]", "[report] – [final]"]
    assert finds(alice, "report -- final -> …") == ["[report] [final]", "[report] – [final]"]
    assert finds(alice, "party 🎉") == ["a [party]", "[party] 🎉"]
    assert finds(alice, "a & party" + " –" * 20) == ["[a] [party]"]
    assert finds(alice, "party -🎉") == ["a [party]"]
    assert finds(alice, "-party -a -report 🎉 &") == []


def test_symbols_alone_are_found_anywhere_in_a_text(alice: Person, bob: Person) -> None:
    cellar = bob.create_room("Cellar", "closed")
    bob.post(cellar, "🎉 in secret")
    for body in ("well done🎉", ":tada: typed", "I ❤️ it", "salt&pepper", "100% _", "nothing"):
        alice.post(1, body)
    assert finds(alice, "🎉") == ["[🎉] typed", "well done[🎉]"]
    assert finds(alice, "❤️") == finds(alice, "❤") == ["I [❤]️ it"]
    assert finds(alice, "&") == ["salt[&amp;]pepper"]
    assert finds(alice, "% _") == ["100[%] [_]"]
    assert finds(alice, "🎉 from:bob") == finds(alice, "🧨") == []
    assert "nothing" in finds(alice, "-🎉")
    assert len(finds(alice, "-🎉")) == 4


def test_days_and_times_follow_the_readers_time_zone(alice: Person) -> None:
    url = alice.server.database_url
    alice.submit("/profile/times", {"time_zone": "Asia/Seoul", "hours": "12"})
    alice.post(1, "late")
    until_searchable(alice.server)
    moment = "'2026-01-01 15:30+00'"
    run(execute(url, f"UPDATE searchable SET posted_at = {moment}"))
    run(execute(url, f"UPDATE messages SET created_at = {moment}"))
    assert finds(alice, "late after:2026-01-01") == ["[late]"], "it was the second of January there"
    assert "Friday, 2 January 2026, 12:30 am" in alice.get("/search?q=late").text
    alice.submit("/messages/1/pin", {"pinned": "yes"})
    assert "Friday, 2 January 2026, 12:30 am" in alice.get("/rooms/1/pinned").text


def test_before_and_after_exclude_the_whole_day(alice: Person) -> None:
    url = alice.server.database_url
    for number, when in enumerate(("2026-01-01 23:59", "2026-01-02 00:00", "2026-01-02 23:59", "2026-01-03 00:00"), 1):
        alice.post(1, f"day {number}")
        until_searchable(alice.server)
        run(execute(url, f"UPDATE searchable SET posted_at = '{when}+00' WHERE message_id = {number}"))

    def numbers(question: str) -> list[str]:
        return sorted(text[-1] for text in finds(alice, question))

    assert numbers("day after:2026-01-01") == ["2", "3", "4"]
    assert numbers("day before:2026-01-03") == ["1", "2", "3"]
    assert numbers("day after:2026-01-01 before:2026-01-03") == ["2", "3"]
    assert numbers("day after:yesterday") == []


def test_days_begin_at_the_readers_midnight() -> None:
    question = parse_search("after:2026-03-01 before:today", NOON.astimezone(ZoneInfo("Asia/Seoul")))
    assert question.since == datetime(2026, 3, 1, 15, tzinfo=UTC)
    assert question.until == datetime(2026, 3, 9, 15, tzinfo=UTC)
    with pytest.raises(InvalidInput):
        parse_search("after:2026-02-30", NOON)


def test_negated_before_and_after_include_the_day() -> None:
    question = parse_search("-before:2026-03-01 -after:2026-03-05", NOON)
    assert question.since == datetime(2026, 3, 1, tzinfo=UTC)
    assert question.until == datetime(2026, 3, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "zone"),
    [
        ("after:9999-12-31", "UTC"),
        ("-after:9999-12-31", "UTC"),
        ("after:9999-12-30", "America/New_York"),
        ("before:9999-12-31", "Pacific/Niue"),
        ("before:0001-01-01", "Asia/Seoul"),
        ("after:0001-01-01", "Asia/Seoul"),
        ("before:0001-01-01", "America/New_York"),
        ("before:0001-01-01", "UTC"),
    ],
)
def test_the_first_and_last_possible_days_cause_no_error(alice: Person, typed: str, zone: str) -> None:
    alice.submit("/profile/times", {"time_zone": zone, "hours": "12"})
    assert alice.get(f"/search?q={typed}").status_code in (200, 422)


def test_the_best_matches_come_first_and_pages_reach_every_match(alice: Person) -> None:
    alice.post(1, "lantern lantern lantern")
    for number in range(45):
        alice.post(1, f"{number}: the lanterns hang in one of the many trees")
    first = finds(alice, "lantern")
    assert first[0] == "[lantern] [lantern] [lantern]", "a whole word, and often"
    assert len(first) == 20
    pages = [text for page in (1, 2, 3) for text in finds(alice, "lantern", f"&page={page}")]
    assert len(pages) == len(set(pages)) == 46
    newest = finds(alice, "lantern", "&order=newest")
    assert newest[0].startswith("44:")
    assert "No more results" in alice.get("/search?q=lantern&page=4").text


def test_pages_reach_matches_too_old_to_be_ranked(alice: Person) -> None:
    copies = """
        INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
            posted_revision, revision, created_at)
        SELECT 1, 1, gen_random_uuid(), 'copy ' || n, '<p>copy ' || n || '</p>', false, false, n, n, n, now()
        FROM generate_series(1, 1010) AS n
    """
    run(execute(alice.server.database_url, copies))
    run(execute(alice.server.database_url, "UPDATE rooms SET revision = 1010, message_count = 1010 WHERE id = 1"))
    until_searchable(alice.server)
    last = alice.get("/search?q=copy&order=newest&page=50").text
    (further,) = re.findall(r'href="(/search\?q=copy&amp;order=newest&amp;before=\d+)"', last)
    assert "[copy] 10" in finds(alice, "copy", further.replace("&amp;", "&").removeprefix("/search?q=copy"))[:1]


def test_recent_searches_are_listed_until_the_reader_clears_them(alice: Person, bob: Person) -> None:
    for word in ("one", "two", "one", "from:nobody", *map(str, range(9))):
        answer = alice.submit("/search", {"q": word})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/search?{urlencode({'q': word})}")
    for unremembered in (alice.get("/search?q=looked"), alice.submit("/search", {"q": "has:nothing"})):
        assert unremembered.status_code in {200, 303}
    shown = re.findall(r'<button class="action" name="q" value=".*?">(.*?)</button>', alice.get("/search").text)
    assert shown == [*map(str, range(8, -1, -1)), "one"]
    assert "Recent searches" not in bob.get("/search").text
    alice.submit("/search/forget")
    assert "Recent searches" not in alice.get("/search").text


def test_an_extract_shows_the_matching_words() -> None:
    terms = (Term("moon"), Term("sun"))
    text = "moon " + "word " * 100 + "the sun and the moon " + "word " * 100
    shown = str(extract(f"<p>{text}</p>", terms))
    assert "the <mark>sun</mark> and the <mark>moon</mark>" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) < 350
    assert extract("<p>a &lt;b&gt; moon &amp; <code>x</code></p>", terms) == "a &lt;b&gt; <mark>moon</mark> &amp; x"
    assert extract("<p>İSTANBUL e\u0301te\u0301</p>", (Term(bare("été")),)) == "İSTANBUL <mark>été</mark>"
    assert extract("<p>go and ago</p>", (Term("go"),)) == "<mark>go</mark> and ago"


@pytest.mark.parametrize("text", ["Café", "ＡＢＣ", "ｶﾞギ", "한글 각", "Ångström", "ﬁne", "ÉTÉ", "日本", "x²", "Ünï"])
def test_the_database_folds_text_like_the_chat(alice: Person, text: str) -> None:
    alice.post(1, text)
    until_searchable(alice.server)
    assert query(alice.server.database_url, "SELECT text FROM searchable")[0][0] == bare(text)


def test_searching_with_future_days_is_allowed(alice: Person) -> None:
    # Not tomorrow: it may be today before the message is posted.
    ahead = (datetime.now(UTC) + timedelta(days=2)).date()
    alice.post(1, "soon")
    assert finds(alice, f"after:{ahead} soon") == []
    assert finds(alice, f"before:{ahead} soon") == ["[soon]"]
