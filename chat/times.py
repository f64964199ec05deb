"""Moments as people read them: in their time zone, by their clock."""

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

# The areas of the time zone database that hold places; the rest are abbreviations and old names.
AREAS = (
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)


@cache
def zones() -> dict[str, list[str]]:
    """The time zones one can choose from, by area and name."""
    found: dict[str, list[str]] = {area: [] for area in AREAS}
    for name in sorted(available_timezones()):
        area, _, place = name.partition("/")
        if place and area in found:
            found[area].append(name)
    return found | {"Elsewhere": ["UTC"]}


def is_zone(name: str) -> bool:
    """Whether this is a time zone one can choose."""
    return any(name in names for names in zones().values())


def in_zone(moment: datetime, zone: str | None) -> datetime:
    """The same moment where it is read; in UTC when that is not known, or is known no longer."""
    return moment.astimezone(ZoneInfo(zone) if zone and is_zone(zone) else UTC)


def day(moment: datetime) -> str:
    """Tuesday, 24 November 2026."""
    return f"{moment:%A}, {moment.day} {moment:%B %Y}"


def clock(moment: datetime, hours: int | None = None) -> str:
    """15:04, or 3:04 pm for people whose clock has 12 hours."""
    if hours == 12:
        return f"{moment.hour % 12 or 12}:{moment:%M} {'am' if moment.hour < 12 else 'pm'}"
    return f"{moment:%H:%M}"
