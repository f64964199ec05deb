"""Emoji: their shortcodes (`:tada:`), categories and skin tones."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chat.text import UNSPACED

VARIANT = "\ufe0f"  # variation selector 16, which shows a character as an emoji; often left out

TONES = ("", "🏻", "🏼", "🏽", "🏾", "🏿")  # a person's skin tone is the place of one of these
_CATEGORIES = Path(__file__).with_name("emoji.txt")

MOST_LARGE = 100  # characters of a message of only emoji, which may have several each

_LETTER = rf"[^\W{UNSPACED}]"
# They stand alone, never inside a word, a number or an address: `std::thread::sleep`, `127.0.0.1:1234:80`.
_SHORTCODES = re.compile(rf"(?<!{_LETTER}|[:/\\])(?::[^\s:]+:)+(?!{_LETTER}|[:/\\])")
# fmt: off
OFTEN = [
    "👍", "❤️", "😄", "🎉", "🙏", "👀", "✅", "🔥", "😂", "🤔", "👏", "🚀", "😊", "😉", "😍", "😎",
    "🙂", "🙃", "😅", "🤣", "😇", "🥰", "😘", "😋", "😜", "🤪", "🤩", "🥳", "😏", "😌", "😴", "🤗",
    "🤭", "🤫", "🤐", "😐", "😑", "😶", "🙄", "😬", "😮", "😲", "😳", "🥺", "😢", "😭", "😱", "😡",
    "🤯", "🥵", "🥶", "🤒", "🤧", "😷", "🤓", "🧐", "👋", "👌", "🤞", "✌️", "👎", "💪", "🙌", "🤝",
    "🤷", "🤦", "💜", "💙", "💚", "💛", "🧡", "🖤", "💔", "💯", "✨", "⭐", "⚡", "☀️", "🌈", "☕",
    "🍕", "🍰", "🍺", "🎂", "🎁", "🎵", "⚽", "🏆", "📌", "📎", "📅", "💡", "🔧", "🐛", "🐱", "🐶",
    "🌱", "🌍", "❌", "❓", "❗", "⏰", "🛑",
]
# fmt: on


@dataclass(frozen=True, slots=True)
class Emoji:
    """An emoji and its shortcode, without the colons."""

    character: str
    name: str

    def toned(self, tone: int) -> str:
        """Return the emoji in a skin tone if it has tones."""
        return toned(self.character, tone)


@dataclass(frozen=True, slots=True)
class Category:
    """A category of emoji, in Unicode's order."""

    name: str
    emoji: list[Emoji]


def with_emoji(text: str) -> str:
    """Return `text` with every shortcode that stands alone replaced by its emoji."""
    return _SHORTCODES.sub(_emoji_for, text)


def _emoji_for(found: re.Match[str]) -> str:
    import emoji  # noqa: PLC0415  takes ten megabytes

    return emoji.emojize(found[0], language="alias", variant="emoji_type")


def is_only_emoji(text: str) -> bool:
    """Tell whether a text has a few emoji and nothing else but spaces."""
    # Nothing below is shown as an emoji by itself, such as ©.
    if len(text) > MOST_LARGE or max(text, default="") <= "\u2122" or any(map(str.isalpha, text)):
        return False
    import emoji  # noqa: PLC0415

    bare = "".join(text.split())
    return bare != "" and emoji.purely_emoji(bare)


def find_emoji(query: str, limit: int, *, at_words: bool = False) -> list[Emoji]:
    """Return emoji whose name contains `query`, `at_words` only at the beginning of a word.

    Names that begin with it come first, then often used emoji, then short names.
    """
    query = query.lower().strip(": ").replace(" ", "_")
    fits = re.compile((r"(?<![^\W_])" if at_words else "") + re.escape(query)).search
    often = set(OFTEN)
    ranked = sorted(
        (found for found in _all() if fits(found.name)),
        key=lambda found: (not found.name.startswith(query), found.character not in often, len(found.name), found.name),
    )
    chosen: dict[str, Emoji] = {}
    for found in ranked:
        chosen.setdefault(found.character, found)
        if len(chosen) == limit:
            break
    return list(chosen.values())


def shortcodes(character: str) -> list[str]:
    """Return the shortcodes of an emoji, with the colons; none for other text."""
    bare = character.rstrip(VARIANT)
    return [f":{found.name.lower()}:" for found in _all() if found.character.rstrip(VARIANT) == bare]


def named(characters: Iterable[str]) -> list[Emoji]:
    """Return emoji with their names; those without one are left out."""
    return [Emoji(each, _names()[each]) for each in characters if each in _names()]


@cache
def categories() -> list[Category]:
    """Return all categories. The newest emoji are in none: many devices have no picture for them."""
    lines = [line for line in _CATEGORIES.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    parts = re.split(r"^\[(.+)\]$", "\n".join(lines), flags=re.MULTILINE)[1:]
    return [Category(name, named(text.split())) for name, text in zip(parts[::2], parts[1::2], strict=True)]


def toned(character: str, tone: int) -> str:
    """Return an emoji in a skin tone, 0 for none; as it is if it has no such form."""
    return _by_tone().get((_bare(character), tone), character)


def is_emoji(text: str) -> bool:
    """Tell whether `text` is exactly one emoji."""
    import emoji  # noqa: PLC0415

    return emoji.is_emoji(text)


@cache
def _all() -> tuple[Emoji, ...]:
    import emoji  # noqa: PLC0415

    emoji.config.load_language("en")
    return tuple(
        Emoji(character, name.strip(":"))
        for character in _characters()
        for name in (*emoji.EMOJI_DATA[character].get("alias", ()), emoji.EMOJI_DATA[character]["en"])
        if name.isascii() and "skin_tone" not in name
    )


def _characters() -> list[str]:
    import emoji  # noqa: PLC0415

    known = emoji.EMOJI_DATA.items()
    return [character for character, about in known if about["status"] == emoji.STATUS["fully_qualified"]]


@cache
def _names() -> dict[str, str]:
    # An emoji's first name is the best known.
    return {found.character: found.name for found in reversed(_all())}


@cache
def _by_tone() -> dict[tuple[str, int], str]:
    """Return the emoji whose people all have the same skin tone, by their bare characters and the tone."""
    tones = {character: set(character) & set(TONES) for character in _characters()}
    return {(_bare(each), TONES.index("".join(found))): each for each, found in tones.items() if len(found) < 2}


def _bare(character: str) -> str:
    return re.sub(f"[{VARIANT}{''.join(TONES)}]", "", character)
