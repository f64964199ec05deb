"""Emoji by their names, as people know them from elsewhere (`:tada:`), and a choice to pick from."""

import re
from dataclasses import dataclass
from functools import cache

VARIANT = "\ufe0f"  # behind a sign: the emoji of it is meant, which is not always said

_SHORTCODE = re.compile(r":[a-z0-9_+\-]+:")
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
    """An emoji and what one types for it, without the colons."""

    character: str
    name: str


def with_emoji(text: str) -> str:
    """`text` with every `:name:` of an emoji replaced by the emoji."""
    if not _SHORTCODE.search(text):
        return text
    import emoji  # noqa: PLC0415  ten megabytes, for those who use it

    return emoji.emojize(text, language="alias", variant="emoji_type")


def find_emoji(query: str, limit: int) -> list[Emoji]:
    """Those whose name contains `query`; first those that begin with it, first the often used, first the short."""
    query = query.lower().strip(": ").replace(" ", "_")
    often = set(OFTEN)
    ranked = sorted(
        (found for found in _all() if query in found.name),
        key=lambda found: (not found.name.startswith(query), found.character not in often, len(found.name), found.name),
    )
    chosen: dict[str, Emoji] = {}
    for found in ranked:
        chosen.setdefault(found.character, found)
        if len(chosen) == limit:
            break
    return list(chosen.values())


def shortcodes(character: str) -> list[str]:
    """What one types for an emoji, with the colons; nothing for anything else."""
    bare = character.rstrip(VARIANT)
    return [f":{found.name.lower()}:" for found in _all() if found.character.rstrip(VARIANT) == bare]


def often_used() -> list[Emoji]:
    """The choice one sees before one searches."""
    names: dict[str, str] = {}
    for found in _all():
        names.setdefault(found.character, found.name)
    return [Emoji(character, names[character]) for character in OFTEN]


def is_emoji(text: str) -> bool:
    """Whether `text` is one emoji and nothing else."""
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
