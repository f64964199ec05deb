"""How this copy of the chat came here: as a checkout, or as a wheel, which holds everything inside the package."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSIDE = _PACKAGE / "_files"
# The folder of `templates/`, `static/` and `migrations/`. pyproject.toml puts them into the wheel.
ROOT = _INSIDE if _INSIDE.is_dir() else _PACKAGE.parent
# What people type to run it.
COMMAND = "simplechat" if _INSIDE.is_dir() else "python -m chat"
# What people name to pip, with an extra in brackets.
PACKAGE = "simplechat" if _INSIDE.is_dir() else "."
