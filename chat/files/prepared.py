"""The answer of the worker that prepares pictures, and the limits that both sides know."""

from typing import TypedDict

THUMBNAIL = 360  # pixels of the longer side, in CSS and on an ordinary screen
MOST_BYTES = 64 * 2**20  # a larger file is no picture


class Prepared(TypedDict):
    """The first line of the worker's output; the parts, of these lengths, follow each other in the rest."""

    kind: str
    width: int
    height: int
    colour: str
    is_animated: bool
    parts: list[int]
