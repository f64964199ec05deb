"""Prepares one picture, in a process of its own that the kernel ends when it takes too much time or memory.

`python -m chat.files.picture_worker` reads a file from its input. It writes a line of JSON and then the parts: the
picture without metadata and, if it is larger than they are, two thumbnails. With the argument `face` or `logo` the
parts are two square pictures (`chat.files.squares`). It fails for anything that it cannot show.
"""

import io
import json
import os
import resource
import sys
from collections.abc import Sequence

from PIL import Image, ImageOps

from chat.files.kinds import HEAD_BYTES, kind_of
from chat.files.metadata import without_metadata
from chat.files.prepared import LARGE_SIDE, MOST_BYTES, THUMBNAIL, Crop, Prepared
from chat.files.squares import face_of, logo_of

SHARP = 2  # times THUMBNAIL, on a dense screen
MOST_PIXELS = 64_000_000  # a large camera's picture; as RGBA they take a quarter of the memory
MOST_SIDE = 30_000
MOST_MEMORY = 1024 * 2**20
CPU_SECONDS = 20
NICENESS = 5
QUALITY, THUMBNAIL_QUALITY, EFFORT = 92, 80, 2
_ORIENTATION = 0x0112
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP", "image/avif": "AVIF"}
# Types that not every browser shows.
_CONVERTED = {"image/heic", "image/avif"}


def main() -> None:
    """Prepare the picture in the input."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    shape, *crop = sys.argv[1:] or ["whole"]
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    prepared, parts = prepare(data) if shape == "whole" else prepare_square(data, shape, [int(each) for each in crop])
    sys.stdout.buffer.write(json.dumps(prepared).encode() + b"\n" + b"".join(parts))


def prepare(data: bytes) -> tuple[Prepared, list[bytes]]:
    """Return a picture without metadata, upright, and its thumbnails; raises an error for anything else."""
    if len(data) > MOST_BYTES:
        raise ValueError("the file is too large")
    kind, data, is_animated = _cleaned(data)
    picture = _open(data, kind)
    width, height = picture.size
    sharp = _reduced(picture, THUMBNAIL * SHARP)
    red, green, blue = sharp.convert("RGB").resize((1, 1), Image.Resampling.BOX).tobytes()
    parts = [data]
    if max(width, height) > THUMBNAIL or is_animated:
        parts += [_thumbnail(_reduced(sharp, THUMBNAIL)), _thumbnail(sharp)]
    prepared: Prepared = {
        "kind": kind,
        "width": width,
        "height": height,
        "colour": f"#{red:02x}{green:02x}{blue:02x}",
        "is_animated": is_animated,
        "parts": [len(part) for part in parts],
    }
    return prepared, parts


def prepare_square(data: bytes, shape: str, crop: Sequence[int]) -> tuple[Prepared, list[bytes]]:
    """Return a face or a logo in two sizes; raises an error for anything but a picture."""
    if len(data) > MOST_BYTES:
        raise ValueError("the file is too large")
    picture = _open(data, kind_of(data[:HEAD_BYTES]))
    parts = logo_of(picture) if shape == "logo" else face_of(picture, Crop(*crop) if crop else None)
    prepared: Prepared = {
        "kind": "image/webp",
        "width": LARGE_SIDE,
        "height": LARGE_SIDE,
        "colour": "",
        "is_animated": False,
        "parts": [len(part) for part in parts],
    }
    return prepared, parts


def _cleaned(data: bytes) -> tuple[str, bytes, bool]:
    """Return a picture's type, the picture without metadata, and whether it moves."""
    kind = kind_of(data[:HEAD_BYTES])
    picture = _open(data, kind)
    is_animated = getattr(picture, "n_frames", 1) > 1
    orientation = picture.getexif().get(_ORIENTATION, 1)
    if kind in _CONVERTED or (orientation != 1 and not is_animated):
        return *_written_again(picture, kind), False
    return kind, without_metadata(data, kind), is_animated


def _open(data: bytes, kind: str) -> Image.Image:
    if kind == "image/heic":
        from pillow_heif import register_heif_opener  # noqa: PLC0415  it takes 50 ms, and few pictures need it

        register_heif_opener()
        picture: Image.Image = Image.open(io.BytesIO(data), formats=["HEIF"])
    else:
        picture = Image.open(io.BytesIO(data), formats=[_FORMATS[kind]])
    width, height = picture.size
    # Nothing has been decoded yet.
    if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
        raise ValueError("the picture has too many pixels")
    return picture


def _written_again(picture: Image.Image, kind: str) -> tuple[str, bytes]:
    """Return a picture upright, in a type that every browser shows."""
    profile = picture.info.get("icc_profile")
    has_alpha = picture.has_transparency_data
    kept = kind if kind not in _CONVERTED else "image/webp" if has_alpha else "image/jpeg"
    upright = ImageOps.exif_transpose(picture)
    if kept == "image/jpeg" and upright.mode not in ("RGB", "L", "CMYK"):
        upright = upright.convert("RGB")
    for name in ("exif", "xmp", "comment", "XML:com.adobe.xmp"):
        upright.info.pop(name, None)
    output = io.BytesIO()
    quality = {"method": EFFORT} if kept == "image/webp" else {}
    upright.save(output, _FORMATS[kept], quality=QUALITY, icc_profile=profile, exif=b"", **quality)
    return kept, without_metadata(output.getvalue(), kept)


def _reduced(picture: Image.Image, side: int) -> Image.Image:
    """Return a picture that fits into a square; a JPEG is not even decoded at its full size."""
    picture.draft(None, (side * 2, side * 2))
    # The result has RGB colours, which a profile of greys or of printers' inks does not fit.
    profile = picture.info.get("icc_profile") if picture.mode in ("RGB", "RGBA", "P") else None
    reduced = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    reduced.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    reduced.info = {"icc_profile": profile} if profile else {}
    return reduced


def _thumbnail(picture: Image.Image) -> bytes:
    output = io.BytesIO()
    profile = picture.info.get("icc_profile")
    picture.save(output, "WEBP", quality=THUMBNAIL_QUALITY, method=EFFORT, icc_profile=profile, exif=b"")
    return output.getvalue()


if __name__ == "__main__":
    main()
