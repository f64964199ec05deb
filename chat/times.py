"""Dates and times in a reader's time zone, by a clock of 12 or 24 hours."""

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
    """Return the time zones that people can choose, by area and name."""
    found: dict[str, list[str]] = {area: [] for area in AREAS}
    for name in sorted(available_timezones()):
        area, _, place = name.partition("/")
        if place and area in found:
            found[area].append(name)
    return found | {"Elsewhere": ["UTC"]}


def is_zone(name: str) -> bool:
    """Tell whether this is a time zone that people can choose."""
    return any(name in names for names in zones().values())


def in_zone(moment: datetime, zone: str | None) -> datetime:
    """Return a moment in a time zone, in UTC if the zone is unknown."""
    return moment.astimezone(ZoneInfo(zone) if zone and is_zone(zone) else UTC)


def day(moment: datetime) -> str:
    """Return a date such as "Tuesday, 24 November 2026"."""
    return f"{moment:%A}, {moment.day} {moment:%B %Y}"


def clock(moment: datetime, hours: int | None = None) -> str:
    """Return a time such as "15:04", or "3:04 pm" with 12 `hours`."""
    if hours == 12:
        return f"{moment.hour % 12 or 12}:{moment:%M} {'am' if moment.hour < 12 else 'pm'}"
    return f"{moment.hour:02}:{moment.minute:02}"


def iso(moment: datetime) -> str:
    """Return a moment in UTC, to the second, as `<time>` and JavaScript read it (RFC 3339)."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
