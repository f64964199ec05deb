"""The browser and system that a `User-Agent` header names."""

import re
from dataclasses import dataclass

# Most browsers also name the browsers they descend from, so the descendants come first.
BROWSERS = {
    "Edge": r"\bEdg(?:e|A|iOS)?/",
    "Opera": r"\bOPR/|\bOPT/|\bOpera\b",
    "Samsung Internet": r"\bSamsungBrowser/",
    "Vivaldi": r"\bVivaldi/",
    "Yandex Browser": r"\bYaBrowser/",
    "DuckDuckGo": r"\b(?:DuckDuckGo|Ddg)/",
    "Firefox": r"\b(?:Firefox|FxiOS)/",
    "Chrome": r"(?:Chrome|Chromium|CriOS)/",
    "Safari": r"\bVersion/.{1,100}\bSafari/",
}
SYSTEMS = {
    "an iPhone": r"\biPhone\b",
    "an iPad": r"\biPad\b",
    "Android": r"\bAndroid\b",
    "ChromeOS": r"\bCrOS\b",
    "Windows": r"\bWindows\b",
    "a Mac": r"\bMac(?:intosh| OS X)\b",
    "Linux": r"\b(?:Linux|X11)\b",
}
HANDHELD = frozenset({"an iPhone", "an iPad", "Android"})


@dataclass(frozen=True, slots=True)
class Agent:
    """A browser in plain words."""

    browser: str | None
    system: str | None

    @property
    def is_handheld(self) -> bool:
        return self.system in HANDHELD

    def __str__(self) -> str:
        if self.system is None:
            return self.browser or "An unknown browser"
        return f"{self.browser or 'A browser'} on {self.system}"


def agent_of(user_agent: str) -> Agent:
    """Return the browser that a header names. It may lie, but lets people tell their own browsers apart."""
    return Agent(_first(BROWSERS, user_agent), _first(SYSTEMS, user_agent))


def _first(patterns: dict[str, str], user_agent: str) -> str | None:
    return next((name for name, pattern in patterns.items() if re.search(pattern, user_agent)), None)
