"""Rules for markdown-it where it would hide typed text: lone signs, backslashes, the first line of code."""

import re
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.blockquote import blockquote
from markdown_it.rules_block.list import list_block, skipBulletListMarker, skipOrderedListMarker
from markdown_it.rules_block.table import escapedSplit, table
from markdown_it.rules_inline import StateInline

_FENCE = re.compile(r"(`{3,}|~{3,})([^\n]*)")
# A quote's first line has words, after a space if they begin with a digit or sign: `>:(`, `>5`, `>` are no quotes.
_QUOTE = re.compile(r""">[>\s]*(?:(?=[^\W\d_]|["“‘«@#`]|\*\*)|(?<=\s)(?=\S))""")
_EMPTY_QUOTE = re.compile(r">[>\s]*")
_RULE = re.compile(r"[|:\s-]*-[|:\s-]*")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
# The text after a backslash that is meant to take a sign's meaning away.
_AT_WORD = re.compile(
    r"""(?<![^\s(\[{"'“‘*_~])\\(?:
        ([*_`~])(?!\s)(?=.{0,1000}\S\\?\1)         # emphasis or code, with its other end
        | (?=\[[^\]\n]*\\?\]\()             # a link
        | (?=@[^\W_]) | (?=:[\w+-]+\\?:)    # a mention, an emoji
        | (?=&\#?\w+;)                      # a character's name
    )""",
    re.VERBOSE | re.DOTALL,
)
_AT_LINE = re.compile(r"[ \t]*(?:\d{1,9})?\\(?=[-+*>.)] |[#>]|```|~~~)")
# Lines that the chat wrote for people before these rules: it put a backslash before every sign.
_OLD = re.compile(r"@[^\n]* \[wrote\]\(/rooms/\d|(?:set the topic: |invited )(?!.*&#)")


def as_typed_by_people(markdown: MarkdownIt) -> None:
    """Replace markdown-it's rules by these."""
    markdown.block.ruler.at("fence", _fence, {"alt": ["paragraph", "blockquote", "list"]})
    markdown.block.ruler.at("blockquote", _blockquote, {"alt": ["paragraph", "blockquote", "list"]})
    markdown.block.ruler.at("list", _list, {"alt": ["paragraph", "blockquote"]})
    markdown.block.ruler.at("table", _table, {"alt": ["paragraph"]})
    markdown.inline.ruler.at("escape", _escape)


@cache
def _languages() -> frozenset[str]:
    from pygments.lexers._mapping import LEXERS  # noqa: PLC0415  half a megabyte

    return frozenset(alias for lexer in LEXERS.values() for alias in lexer[2]) | {"plain", "plaintext", "txt", "none"}


def _fence(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Parse code between fences. Words behind the opening fence are its first line, unless they name a language.

    The closing fence may stand behind the last line of code.
    """
    line = _line(state, start_line)
    opened = _FENCE.fullmatch(line)
    if not opened or opened[1][0] in opened[2]:
        return False
    marker, words = opened[1], opened[2].strip()
    is_language = words.lower() in _languages()
    if words and not is_language and marker[0] == "~":
        return False
    if silent:
        return True
    first = [] if not words or is_language else [f"{opened[2].strip()}\n"]
    last, rest, next_line = _closing(state, marker, start_line + 1, end_line)
    indent = state.sCount[start_line]
    token = state.push("fence", "code", 0)
    token.info = words if is_language else ""
    token.content = "".join((*first, state.getLines(start_line + 1, last, indent, True), rest))
    token.markup, token.map, state.line = marker, [start_line, next_line], next_line
    return True


def _closing(state: StateBlock, marker: str, line: int, end_line: int) -> tuple[int, str, int]:
    """Return the line of the closing fence, the code before the fence on that line, and the line after it."""
    for number in range(line, end_line):
        if _line(state, number) and state.sCount[number] < state.blkIndent:
            return number, "", number
        text = state.getLines(number, number + 1, state.blkIndent, False).rstrip()
        code = text.rstrip(marker[0])
        if len(text) - len(code) < len(marker) or (code.strip() and (marker[0] == "~" or marker in code)):
            continue
        return number, f"{code}\n" if code.strip() else "", number + 1
    return end_line, "", end_line


def _blockquote(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    first = start_line
    if first + 1 < end_line and _EMPTY_QUOTE.fullmatch(_line(state, first)):
        first += 1
    return bool(_QUOTE.match(_line(state, first))) and blockquote(state, start_line, end_line, silent)


def _list(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Parse a list, which begins with words: `-`, `+` and `1.` alone are no lists."""
    if state.sCount[start_line] < state.blkIndent:  # the next item of a list
        return list_block(state, start_line, end_line, silent)
    after = skipOrderedListMarker(state, start_line)
    if after < 0:
        after = skipBulletListMarker(state, start_line)
    has_words = after >= 0 and bool(state.src[after : state.eMarks[start_line]].strip())
    return has_words and list_block(state, start_line, end_line, silent)


def _table(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Parse a table, unless a row has more cells than the head: markdown-it would drop these."""
    if start_line + 2 > end_line or "|" not in _line(state, start_line):
        return False
    columns = _cells(state, start_line)
    if not _RULE.fullmatch(_line(state, start_line + 1)) or _cells(state, start_line + 1) != columns:
        return False
    # The wide row that was found from a head above; without this each line of a long text would look for it.
    wide: dict[int, int] = state.env.setdefault("wide rows", {})
    if start_line < wide.get(columns, 0):
        return False
    for number in range(start_line + 2, end_line):
        if state.isEmpty(number):
            break
        if _cells(state, number) > columns:
            wide[columns] = number
            return False
    return table(state, start_line, end_line, silent)


def _cells(state: StateBlock, number: int) -> int:
    return len(escapedSplit(_line(state, number).strip().removeprefix("|").removesuffix("|")))


def _escape(state: StateInline, silent: bool) -> bool:
    r"""Hide a backslash only where the sign after it would have a meaning: not in `C:\_temp\*.txt`."""
    found = _ESCAPE.match(state.src, state.pos)
    if not found or state.pos + 1 >= state.posMax:
        return False
    if not silent:
        if _is_meant(state, found[1]):
            token = state.push("text_special", "", 0)
            token.content, token.markup, token.info = found[1], found[0], "escape"
        else:
            state.pending += found[0]
    state.pos += 2
    return True


def _is_meant(state: StateInline, sign: str) -> bool:
    opened: set[str] = state.env.setdefault(f"escaped in {id(state.tokens)}", set())  # in this paragraph
    line = state.src.rfind("\n", 0, state.pos) + 1
    if _OLD.match(state.src, line):
        return True
    if _AT_WORD.match(state.src, state.pos):
        opened.add(sign)
        return True
    if sign in opened and not state.src[state.pos - 1].isspace():
        return True
    found = _AT_LINE.match(state.src, line)
    return found is not None and found.end() == state.pos + 1


def _line(state: StateBlock, number: int) -> str:
    """Return the text of a line, without what encloses it."""
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]
