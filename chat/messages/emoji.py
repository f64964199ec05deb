"""Emoji by their shortcodes (`:tada:`), and the choice shown in the picker."""

import re
from dataclasses import dataclass
from functools import cache

from chat.text import UNSPACED

VARIANT = "\ufe0f"  # variation selector 16, which shows a character as an emoji; often left out

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


def often_used() -> list[Emoji]:
    """Return the emoji that the picker shows before a search."""
    names: dict[str, str] = {}
    for found in _all():
        names.setdefault(found.character, found.name)
    return [Emoji(character, names[character]) for character in OFTEN]


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
        for character, known in emoji.EMOJI_DATA.items()
        if known["status"] == emoji.STATUS["fully_qualified"]
        for name in (*known.get("alias", ()), known["en"])
        if name.isascii() and "skin_tone" not in name
    )
