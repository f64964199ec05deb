"""The shades of the installation's own colour, which keep text readable in both themes.

Each has a contrast of at least 4.5 with the text on it and with the grounds behind it (WCAG 2.2, 1.4.3). The hue and
the strength of the colour stay, its lightness moves as far as it must. They are measured in OKLCH
(https://bottosson.github.io/posts/oklab/).
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

CONTRAST = 4.5
_STEPS = 24  # of a search that halves the distance: far finer than the 256 steps of a screen
_HEX = re.compile(r"#?([0-9a-fA-F]{6})")


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour of the web, with red, green and blue from 0 to 1."""

    red: float
    green: float
    blue: float

    def __str__(self) -> str:
        return "#" + "".join(f"{round(255 * each):02x}" for each in (self.red, self.green, self.blue))


@dataclass(frozen=True, slots=True)
class Shades:
    """The shades for one theme: grounds with `on_accent` upon them, text, and a pale ground for that text."""

    accent: Colour
    strong: Colour
    ink: Colour
    wash: Colour
    on_accent: Colour


@dataclass(frozen=True, slots=True)
class _Theme:
    """The grounds of pages (static/css/base.css), the lightness of the pale ground, and where readable shades are."""

    grounds: tuple[Colour, ...]
    tint: Colour  # of a message that mentions its reader
    wash: tuple[float, float]  # its lightness, and its strength at most
    on_accent: Colour
    end: float  # the lightness at which every ground is readable
    stronger: float


def colour(text: str) -> Colour | None:
    """Parse `#336699`, with or without its sign; return None for anything else."""
    match = _HEX.fullmatch(text)
    return Colour(*(each / 255 for each in bytes.fromhex(match[1]))) if match else None


def oklch(lightness: float, strength: float, hue: float) -> Colour:
    """Return the colour of the web at this place, or a weaker one where screens do not show it."""
    low, high = 0.0, strength
    if _is_shown(_linear(lightness, strength, hue)):
        low = strength
    else:
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if _is_shown(_linear(lightness, middle, hue)) else (low, middle)
    return _rounded(*(_gamma(min(1.0, max(0.0, each))) for each in _linear(lightness, low, hue)))


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@lru_cache(maxsize=16)  # they take two milliseconds
def shades_of(chosen: Colour) -> tuple[Shades, Shades]:
    """Return the shades of a colour for the light theme and for the dark one."""
    return _shades(chosen, _LIGHT), _shades(chosen, _DARK)


def _shades(chosen: Colour, theme: _Theme) -> Shades:
    _, strength, hue = _place(chosen)
    wash = oklch(theme.wash[0], min(strength, theme.wash[1]), hue)
    accent = _readable(chosen, (*theme.grounds, theme.on_accent), theme.end)
    at = _place(accent)[0]
    strong = oklch(at + theme.stronger * abs(theme.end - at), strength, hue)
    return Shades(
        accent=accent,
        strong=_readable(strong, (*theme.grounds, theme.on_accent), theme.end),
        ink=_readable(chosen, (*theme.grounds, theme.tint, wash), theme.end),
        wash=wash,
        on_accent=theme.on_accent,
    )


def _readable(chosen: Colour, grounds: tuple[Colour, ...], end: float) -> Colour:
    """Return the colour, or the nearest shade towards `end` that is readable on and behind all grounds."""

    def is_readable(shade: Colour) -> bool:
        return min(contrast(shade, ground) for ground in grounds) >= CONTRAST

    if is_readable(chosen):
        return chosen
    lightness, strength, hue = _place(chosen)
    near, far = lightness, end
    for _ in range(_STEPS):
        middle = (near + far) / 2
        near, far = (near, middle) if is_readable(oklch(middle, strength, hue)) else (middle, far)
    return oklch(far, strength, hue)


def _linear(lightness: float, strength: float, hue: float) -> tuple[float, float, float]:
    a, b = strength * math.cos(hue), strength * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _place(chosen: Colour) -> tuple[float, float, float]:
    """Return the lightness, strength and hue of a colour."""
    red, green, blue = (_ungamma(each) for each in (chosen.red, chosen.green, chosen.blue))
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    return lightness, math.hypot(a, b), math.atan2(b, a)


def _is_shown(channels: tuple[float, float, float]) -> bool:
    return all(-0.0001 <= each <= 1.0001 for each in channels)


def _gamma(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _ungamma(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _luminance(shade: Colour) -> float:
    return 0.2126 * _ungamma(shade.red) + 0.7152 * _ungamma(shade.green) + 0.0722 * _ungamma(shade.blue)


def _rounded(*channels: float) -> Colour:
    """Return the colour that a screen shows, so that its contrast is measured as people see it."""
    return Colour(*(round(255 * each) / 255 for each in channels))


def _ground(lightness: float, strength: float, degrees: float) -> Colour:
    return oklch(lightness, strength, math.radians(degrees))


# The grounds of pages under their text, and that of a row under the pointer, a little darker or lighter.
_LIGHT = _Theme(
    grounds=(Colour(1, 1, 1), _ground(0.963, 0.009, 85), _ground(0.92, 0.01, 85)),
    tint=_ground(0.95, 0.055, 88),
    wash=(0.946, 0.025),
    on_accent=Colour(1, 1, 1),
    end=0.0,
    stronger=-0.13,
)
_DARK = _Theme(
    grounds=tuple(_ground(lightness, 0.012, 220) for lightness in (0.18, 0.225, 0.26, 0.29)),
    tint=_ground(0.32, 0.05, 88),
    wash=(0.315, 0.04),
    on_accent=_ground(0.18, 0.01, 220),
    end=1.0,
    stronger=0.25,
)
