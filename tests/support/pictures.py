"""Pictures as phones, screens and attackers make them."""

import io
import struct
import zlib

from PIL import Image, ImageCms

SECRET = "a secret place"
_GPS, _ORIENTATION, _MAKE = 0x8825, 0x0112, 0x010F


def plain(width: int = 900, height: int = 600) -> Image.Image:
    """A picture with a red left half and a blue right half."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
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
