"""Forms as typed."""

from starlette.requests import Request

MOST_BYTES = 256 * 1024  # 10,000 characters of four bytes each, percent-encoded, and room for the rest
MOST_FIELDS = 100


async def read_form(request: Request) -> dict[str, str]:
    """The text fields of a form, each once; files are left out."""
    form = await request.form(max_files=0, max_fields=MOST_FIELDS)
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def read_choices(request: Request, name: str) -> list[str]:
    """Every value of a field that may be there more than once."""
    form = await request.form(max_files=0, max_fields=MOST_FIELDS)
    return [value for value in form.getlist(name) if isinstance(value, str)]


def whole_number(text: str | None) -> int | None:
    """A number as the database can hold it, from 1; None for anything else."""
    if text and text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text) or None
    return None
