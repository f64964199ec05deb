"""The question to the worker that prepares pictures and its answer, and the limits that both sides know."""

from typing import Literal, NamedTuple, TypedDict

THUMBNAIL = 360  # pixels of the longer side, in CSS and on an ordinary screen
MOST_BYTES = 64 * 2**20  # a larger file is no picture
SMALL_SIDE, LARGE_SIDE = 96, 256  # pixels of a square picture: beside a message, twice and more; on a person's page

Shape = Literal["whole", "face", "logo"]


class Crop(NamedTuple):
    """A square within an upright picture, in pixels."""

    left: int
    top: int
    side: int


class Prepared(TypedDict):
    """The first line of the worker's output; the parts, of these lengths, follow each other in the rest."""

    kind: str
    width: int
    height: int
    colour: str
    is_animated: bool
    parts: list[int]
