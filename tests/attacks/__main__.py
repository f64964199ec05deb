"""Attack fresh servers and print the cost: `python -m tests.attacks [--write] [NAME …]`."""

import argparse
import re

from tests.attacks import Attack, every_attack
from tests.attacks.measuring import Measured
from tests.support.databases import fresh_database, start_cluster
from tests.support.server import ROOT

DOCUMENT = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- attacks: begin -->", "<!-- attacks: end -->"
HEADER = (
    "| Attack | Before the defence | Longest silence | Memory before | Peak | After |\n|---|---|---:|---:|---:|---:|\n"
)


def row(attack: Attack, measured: Measured) -> str:
    """Return an attack's line of the table."""
    sizes = " | ".join(f"{size / 2**20:.0f} MB" for size in (measured.before, measured.peak, measured.after))
    return f"| {attack.title} | {attack.before} | {measured.silence * 1000:.0f} ms | {sizes} |\n"


def write(rows: dict[str, str]) -> None:
    """Put rows into the document's table, each in place of the old row of the same name."""
    text = DOCUMENT.read_text()
    _, _, table = text.partition(f"{BEGIN}\n{HEADER}")
    old = table.partition(END)[0].splitlines(keepends=True)
    known = {attack.title for attack in every_attack()}
    kept = {title: line for line in old if (title := line.split(" | ")[0].removeprefix("| ")) in known}
    lines = "".join((kept | rows).values())
    DOCUMENT.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{HEADER}{lines}{END}", text, flags=re.DOTALL))


def main() -> None:
    """Print the table, and write it into the document when asked to."""
    attacks = every_attack()
    parser = argparse.ArgumentParser(prog="python -m tests.attacks")
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *(attack.name for attack in attacks)])
    parser.add_argument("--write", action="store_true", help="put the table into docs/security.md")
    arguments = parser.parse_args()
    rows: dict[str, str] = {}
    print(HEADER, end="")
    with start_cluster():
        for attack in attacks:
            if not arguments.names or attack.name in arguments.names:
                with fresh_database() as url:
                    line = row(attack, attack.measure(url))
                print(line, end="", flush=True)
                rows[attack.title] = line
    if arguments.write:
        write(rows)


if __name__ == "__main__":
    main()
