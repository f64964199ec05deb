"""Syntax highlighting of code in messages, by Pygments.

Some of its lexers take quadratic time or worse within a single regular expression, which nothing can interrupt but
killing the process. So messages are highlighted only in `chat.messages.worker`.
"""

import re
from html import escape
from itertools import groupby

# fmt: off
LANGUAGES = frozenset({
    "bash", "c", "cpp", "csharp", "css", "diff", "docker", "dockerfile", "elixir", "erlang", "go", "graphql",
    "haskell", "html", "http", "ini", "java", "javascript", "js", "json", "kotlin", "latex", "lua", "make",
    "makefile", "markdown", "md", "nginx", "perl", "php", "powershell", "python", "py", "r", "ruby", "rb", "rust",
    "rs", "scala", "sh", "shell", "sql", "swift", "toml", "ts", "typescript", "xml", "yaml", "yml",
})
# fmt: on
# Pygments' short names of the tokens that the style sheet colours; finer ones fall back to the first letter.
CLASSES = {"hl-c", "hl-k", "hl-m", "hl-s", "hl-nb", "hl-nc", "hl-nf", "hl-nt", "hl-gd", "hl-gi"}

_FENCE = re.compile(r"(?:```|~~~)[ \t]*(\w+)")


def has_colours(body: str) -> bool:
    """Tell whether a text holds code in a language that is highlighted."""
    return any(language.lower() in LANGUAGES for language in _FENCE.findall(body))


def highlighted(code: str, language: str, _attributes: str) -> str:
    """Return the markup of a program; "" in an unknown language, whose programs are shown as they are."""
    if language.lower() not in LANGUAGES:
        return ""
    from pygments import lex  # noqa: PLC0415  a server process needs it only for the help page
    from pygments.lexers import get_lexer_by_name  # noqa: PLC0415
    from pygments.token import STANDARD_TYPES  # noqa: PLC0415

    # Lexers of Markdown and similar languages load any further lexer that the text names.
    lexer = get_lexer_by_name(language.lower(), stripnl=False, handlecodeblocks=False)
    parts = []
    for colour, tokens in groupby(lex(code, lexer), key=lambda token: _colour(STANDARD_TYPES.get(token[0], ""))):
        text = escape("".join(text for _, text in tokens), quote=False)
        parts.append(f'<span class="{colour}">{text}</span>' if colour else text)
    return "".join(parts)


def load_languages() -> None:
    """Load all languages, because the first use of a language takes up to 0.2 seconds of a text's time limit."""
    for language in LANGUAGES:
        highlighted("x", language, "")


def _colour(name: str) -> str | None:
    return next((f"hl-{known}" for known in (name, name[:1]) if f"hl-{known}" in CLASSES), None)
