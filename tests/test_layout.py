"""The layers of the code: imports lead down, never up and never in a circle."""

import ast
from pathlib import Path

import pytest

from tests.support.server import ROOT

# From the top down. A module may import from its own layer and from lower layers.
LAYERS = [
    {"__main__"},
    {"app", "command_line"},
    {"web"},
    {"state", "backup"},
    {"readiness", "database_source", "metrics", "page_posts"},
    {"search"},
    {"messages"},
    {"files", "fetching"},
    {"rooms"},
    {"accounts"},
    {"change"},
    {"live", "throttling"},
    {"serving", "database"},
    {"models", "settings", "templating", "reporting"},
    {"link_tables"},
    {"derived_tables"},
    {"text", "folding", "static_files", "supervision", "audit", "logs", "hosts", "batches", "beat", "times", "turns"},
    {"tally", "tracing"},
    {"errors", "ids", "installed", "memory", "secret_key", "reminder", "crash", "addresses", "urls", "sqlstates"},
]


def modules() -> dict[str, Path]:
    """Return every module of the chat by its dotted name."""
    found = {}
    for file in (ROOT / "chat").rglob("*.py"):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = file
    return found


MODULES = modules()


def imports_of(name: str) -> set[str]:
    """Return the modules of the chat that a module imports, wherever in its text."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
    return {module for module in found if module in MODULES}


def layer_of(name: str) -> int:
    """Return the number of a module's layer, 0 for the top."""
    room = name.split(".")[1]
    return next(number for number, rooms in enumerate(LAYERS) if room in rooms)


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name != "chat"))
def test_a_module_imports_nothing_from_the_layers_above(name: str) -> None:
    above = {module for module in imports_of(name) if module != "chat" and layer_of(module) < layer_of(name)}
    assert above == set()


def test_no_module_imports_itself_through_others() -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " imports ".join((*path[path.index(name) :], name))
        if name not in done:
            for module in imports_of(name):
                visit(module, (*path, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


def test_the_domain_knows_neither_requests_nor_responses() -> None:
    domain = [
        name
        for name in MODULES
        if name.split(".")[1:2] in (["accounts"], ["rooms"], ["files"], ["messages"], ["search"])
    ]
    assert [name for name in domain if "starlette" in MODULES[name].read_text()] == []
