"""Colours for programs in messages, by Pygments."""

from html import escape

# fmt: off
# Listed, so that no lexer can be chosen whose expressions a hostile text sends astray.
LANGUAGES = frozenset({
    "bash", "c", "cpp", "csharp", "css", "diff", "docker", "dockerfile", "elixir", "erlang", "go", "graphql",
    "haskell", "html", "http", "ini", "java", "javascript", "js", "json", "kotlin", "latex", "lua", "make",
    "makefile", "markdown", "md", "nginx", "perl", "php", "powershell", "python", "py", "r", "ruby", "rb", "rust",
    "rs", "scala", "sh", "shell", "sql", "swift", "toml", "ts", "typescript", "xml", "yaml", "yml",
})
# fmt: on
# Pygments' short names of what the style sheet knows a colour for; everything finer falls back to the first letter.
CLASSES = {"hl-c", "hl-k", "hl-m", "hl-s", "hl-nb", "hl-nc", "hl-nf", "hl-nt", "hl-gd", "hl-gi"}


def highlighted(code: str, language: str, _attributes: str) -> str:
    """The markup of a program, or "" for one in a language we do not know, which is then shown as it is."""
    if language.lower() not in LANGUAGES:
        return ""
    from pygments import lex  # noqa: PLC0415  not needed by a message without a program
    from pygments.lexers import get_lexer_by_name  # noqa: PLC0415
    from pygments.token import STANDARD_TYPES  # noqa: PLC0415

    parts = []
    for kind, text in lex(code, get_lexer_by_name(language.lower(), stripnl=False)):
        name = STANDARD_TYPES.get(kind, "")
        colour = next((f"hl-{known}" for known in (name, name[:1]) if f"hl-{known}" in CLASSES), None)
        parts.append(f'<span class="{colour}">{escape(text)}</span>' if colour else escape(text))
    return "".join(parts)
