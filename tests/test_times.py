"""Moments in people's time zones, by their clocks."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from chat.times import clock, day, in_zone, is_zone, iso, zones
from tests.support.server import ROOT

SUMMER = datetime(2026, 7, 14, 22, 5, tzinfo=UTC)
WINTER = datetime(2026, 1, 14, 22, 5, tzinfo=UTC)


def test_a_moment_is_shown_in_the_readers_zone_in_summer_and_winter() -> None:
    assert clock(in_zone(SUMMER, "Europe/Berlin")) == "00:05"
    assert day(in_zone(SUMMER, "Europe/Berlin")) == "Wednesday, 15 July 2026"
    assert clock(in_zone(WINTER, "Europe/Berlin")) == "23:05"
    assert day(in_zone(WINTER, "Pacific/Kiritimati")) == "Thursday, 15 January 2026"
    assert clock(in_zone(WINTER, "Asia/Kolkata")) == "03:35"


@pytest.mark.parametrize("unknown", [None, "", "Europe/Atlantis", "../../etc/passwd", "localtime"])
def test_an_unknown_zone_means_utc(unknown: str | None) -> None:
    assert clock(in_zone(SUMMER, unknown)) == "22:05"


@pytest.mark.parametrize(
    ("hour", "words"), [(0, "12:05 am"), (1, "1:05 am"), (11, "11:05 am"), (12, "12:05 pm"), (23, "11:05 pm")]
)
def test_a_twelve_hour_clock_has_no_zero(hour: int, words: str) -> None:
    assert clock(SUMMER.replace(hour=hour), 12) == words


def test_a_member_chooses_places_not_abbreviations() -> None:
    for name in ("Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata", "UTC"):
        assert is_zone(name)
    for name in ("CET", "Etc/GMT+3", "Europe", "Europe/", "europe/berlin", "US/Eastern"):
        assert not is_zone(name)
    assert zones()["Europe"] == sorted(zones()["Europe"])


def test_zones_are_known_on_a_machine_without_zone_files() -> None:
    code = "from chat.times import *; assert in_zone(datetime.now(UTC), 'Asia/Tokyo').utcoffset().seconds == 9 * 3600"
    bare = {"PATH": os.environ["PATH"], "PYTHONTZPATH": "", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=bare, check=True, timeout=60)


def test_programs_read_a_moment_in_utc() -> None:
    moment = datetime(2026, 2, 3, 1, 2, 3, 456789, ZoneInfo("Asia/Seoul"))
    assert iso(moment) == "2026-02-02T16:02:03Z"
    assert datetime.fromisoformat(iso(moment)) == moment.replace(microsecond=0)
