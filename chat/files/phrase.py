"""Files in words, where a message without a text is mentioned: in quotes, notifications and lists."""

from collections.abc import Sequence
from typing import Protocol

from chat.files.kinds import Sort


class Named(Protocol):
    """A file with a name."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def sort(self) -> Sort:
        """How it is shown."""


def phrase_of(files: Sequence[Named]) -> str:
    """Return "Photo", "3 photos", "plan.pdf" or "plan.pdf and 2 more"; nothing without files."""
    if not files:
        return ""
    if all(file.sort == "picture" for file in files):
        return "Photo" if len(files) == 1 else f"{len(files)} photos"
    return files[0].name + (f" and {len(files) - 1} more" if len(files) > 1 else "")
