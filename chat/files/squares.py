"""Makes the square pictures of people and rooms, and the logo, in the worker process (`chat.files.picture_worker`)."""

import io

from PIL import Image, ImageCms, ImageOps

from chat.files.prepared import LARGE_SIDE, SMALL_SIDE, Crop

QUALITY, EFFORT = 85, 4


def face_of(picture: Image.Image, crop: Crop | None) -> list[bytes]:
    """Return a square of an upright picture in two sizes; without `crop` it is the middle."""
    upright = ImageOps.exif_transpose(picture)
    colours, alpha = _in_srgb(upright.crop(box_of(upright.size, crop)))
    if alpha is not None:
        ground = Image.new("RGB", colours.size, "white")
        ground.paste(colours, mask=alpha)
        colours = ground
    return [_encoded(colours.resize((side, side), Image.Resampling.LANCZOS)) for side in (SMALL_SIDE, LARGE_SIDE)]


def logo_of(picture: Image.Image) -> list[bytes]:
    """Return the whole picture within a transparent square, in two sizes."""
    colours, alpha = _in_srgb(ImageOps.exif_transpose(picture))
    if alpha is not None:
        colours.putalpha(alpha)
    whole = colours.convert("RGBA")
    sides = (SMALL_SIDE, LARGE_SIDE)
    return [_encoded(ImageOps.pad(whole, (side, side), Image.Resampling.LANCZOS, color=(0, 0, 0, 0))) for side in sides]


def box_of(size: tuple[int, int], crop: Crop | None) -> tuple[int, int, int, int]:
    """Return the edges of a square within a picture: left, top, right, bottom.

    A `crop` that does not fit is moved and made smaller. Without a crop it is the middle of the picture.
    """
    width, height = size
    if crop is None:
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
    else:
        side = max(1, min(crop.side, width, height))
        left, top = min(max(crop.left, 0), width - side), min(max(crop.top, 0), height - side)
    return left, top, left + side, top + side


def _in_srgb(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return a picture in the colours of the web, and its transparency if it has some."""
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    profile = picture.info.get("icc_profile")
    inked = picture if picture.mode in ("L", "CMYK") else picture.convert("RGB")
    if profile:
        try:
            there = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            web = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(inked, there, web, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None  # the profile is damaged, or fits another kind of picture
        inked = converted or inked
    return inked.convert("RGB"), alpha


def _encoded(picture: Image.Image) -> bytes:
    output = io.BytesIO()
    picture.save(output, "WEBP", quality=QUALITY, method=EFFORT, exif=b"", icc_profile=b"")
    return output.getvalue()
