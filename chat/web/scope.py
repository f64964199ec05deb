"""Reading single headers: what every request passes does not make an object for each."""

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first value of a header, None without it. Names in a scope are in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def headers(scope: Scope, name: bytes) -> list[str]:
    """Return every value of a header."""
    return [str(value, "latin-1") for key, value in scope["headers"] if key == name]
