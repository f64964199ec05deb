"""From what a person typed to safe markup: everything escaped, web addresses made links."""

import re

from markupsafe import Markup, escape

# Ends before punctuation that belongs to the sentence rather than to the address.
_ADDRESS = re.compile(r"\bhttps?://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]}]", re.IGNORECASE)
_LINK = Markup('<a href="{}" rel="noopener noreferrer nofollow" target="_blank">{}</a>')


def formatted(text: str) -> Markup:
    """`text` as markup. Line breaks stay as they are: the style sheet shows them."""
    parts: list[Markup] = []
    done = 0
    for match in _ADDRESS.finditer(text):
        address = _with_closing_brackets(text, match)
        parts += [escape(text[done : match.start()]), _LINK.format(address, address)]
        done = match.start() + len(address)
    return Markup("").join([*parts, escape(text[done:])])


def _with_closing_brackets(text: str, match: re.Match[str]) -> str:
    """The address with the closing brackets that it opened itself: …/wiki/Chat_(software)."""
    address, rest = match.group(), text[match.end() :]
    while rest.startswith(")") and address.count("(") > address.count(")"):
        address, rest = f"{address})", rest[1:]
    return address
