"""Attacks on a real server, a module for each, and their cost for other users: `make attacks`.

A module with `def attack(server: ChatServer) -> None` is an attack. The first line of its function's docstring names it
in the table. The module may set `BEFORE`, what the attack did to the chat before there was a defence, `ENVIRONMENT`,
settings that its server starts with, and `FILES`, how many files its server may have open. Its `prepare(server)` runs
before the attack and is not measured.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.attacks.measuring import Measured, Watch
from tests.support.server import ChatServer


@dataclass(frozen=True)
class Attack:
    """An attack, as its module describes it."""

    name: str
    title: str
    run: Callable[[ChatServer], None]
    before: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    files: int | None = None
    prepare: Callable[[ChatServer], None] | None = None

    def measure(self, database_url: str) -> Measured:
        """Attack a fresh server and measure the cost."""
        server = self.server(database_url)
        try:
            server.start()
            if self.prepare is not None:
                self.prepare(server)
            with Watch(server) as watch:
                self.run(server)
            return watch.measured
        finally:
            server.remove()

    def server(self, database_url: str) -> ChatServer:
        """The server to attack, not yet started."""
        server = ChatServer(database_url, **self.environment)
        if self.files is not None:
            server.limit_files(self.files)
        return server


def every_attack() -> list[Attack]:
    """All attacks of this package, by name."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return [
        Attack(
            name=module.__name__.rpartition(".")[2],
            title=(module.attack.__doc__ or module.__name__).partition("\n")[0].rstrip("."),
            run=module.attack,
            before=getattr(module, "BEFORE", ""),
            environment=getattr(module, "ENVIRONMENT", {}),
            files=getattr(module, "FILES", None),
            prepare=getattr(module, "prepare", None),
        )
        for module in modules
        if hasattr(module, "attack")
    ]
