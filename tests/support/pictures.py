"""Pictures as phones, screens and attackers make them."""

import io
import struct
import zlib

from PIL import Image, ImageCms, ImageDraw

SECRET = "a secret place"
_GPS, _ORIENTATION, _MAKE = 0x8825, 0x0112, 0x010F


def plain(width: int = 900, height: int = 600) -> Image.Image:
    """A picture with a red left half and a blue right half."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    return picture


def landscape(width: int = 900, height: int = 600, sky: str = "#f6a56b", hill: str = "#2f5d50") -> Image.Image:
    """A picture to look at: a sun above a hill."""
    haze = Image.linear_gradient("L").resize((width, height))
    picture = Image.composite(
        Image.new("RGB", (width, height), "#fff3dc"), Image.new("RGB", (width, height), sky), haze
    )
    draw, side = ImageDraw.Draw(picture), min(width, height)
    draw.circle((width * 0.62, height * 0.5), side * 0.2, fill="#fffaf0")
    for left, top in ((-0.3, 0.62), (0.35, 0.7)):
        draw.ellipse((width * left, height * top, width * (left + 1.1), height * (top + 1)), fill=hill)
    return picture


def encoded(picture: Image.Image, kind: str, *, orientation: int = 1, **options: object) -> bytes:
    """A picture as a file, with a profile, a place and an owner in its metadata."""
    exif = Image.Exif()
    exif[_MAKE], exif[_ORIENTATION] = SECRET, orientation
    exif[_GPS] = {1: "N", 2: (48.0, 8.0, 0.0), 29: SECRET}
    output = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(output, kind, exif=exif, icc_profile=profile, **options)
    return output.getvalue()


def claiming(width: int, height: int) -> bytes:
    """A small PNG that claims to be a large picture."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack("!I", len(data)) + name + data + struct.pack("!I", zlib.crc32(name + data))

    header = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def opened(data: bytes) -> Image.Image:
    """A picture in a file, decoded."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture
