"""Names and sizes of files, as people read them."""

from chat.text import single_line

LONGEST_NAME = 200


def shown_name(name: str) -> str:
    """Return a file's name as it is stored: the last part of a path, in one line, with its ending when it is long."""
    name = single_line(name.replace("\\", "/").rpartition("/")[2]).strip(". ") or "file"
    if len(name) <= LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 20:
        return name[:LONGEST_NAME]
    return f"{stem[: LONGEST_NAME - 2 - len(ending)]}….{ending}"


def shown_size(size: int) -> str:
    """Return a number of bytes as people read it: 640 kB, 1.2 MB."""
    for unit, factor in (("GB", 2**30), ("MB", 2**20), ("kB", 2**10)):
        if size >= factor:
            number = f"{size / factor:.1f}".removesuffix(".0") if size < 10 * factor else f"{size / factor:.0f}"
            return f"{number} {unit}"
    return "1 byte" if size == 1 else f"{size} bytes"
