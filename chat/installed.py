"""How this copy of the chat came here: as a checkout, or as a wheel, which holds everything inside the package."""

import importlib.util
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSIDE = _PACKAGE / "_files"
# The folder of `templates/`, `static/` and `migrations/`. pyproject.toml puts them into the wheel.
ROOT = _INSIDE if _INSIDE.is_dir() else _PACKAGE.parent
# The command that runs it.
COMMAND = "simplechat" if _INSIDE.is_dir() else "python -m chat"
# Its name for pip, which takes an extra in brackets.
_PACKAGE_NAME = "simplechat" if _INSIDE.is_dir() else "."

# The libraries that come with `pip install 'simplechat[…]'`.
_LIBRARIES = {
    "kafka": ("aiokafka",),
    "nats": ("nats",),
    "rabbitmq": ("aiormq",),
    "s3": ("obstore",),
    "sentry": ("sentry_sdk",),
    "traces": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
}


def has_extra(extra: str) -> bool:
    """Tell whether the libraries of an extra are installed."""
    try:
        return all(importlib.util.find_spec(name) is not None for name in _LIBRARIES[extra])
    except ModuleNotFoundError:
        return False  # the package around it is not installed


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install '{_PACKAGE_NAME}[{extra}]'"
