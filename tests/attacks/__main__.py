"""Attack a fresh server in every way we know and print what it cost: `python -m tests.attacks [--write] [NAME …]`."""

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
    """One line of the table."""
    sizes = " | ".join(f"{size / 2**20:.0f} MB" for size in (measured.before, measured.peak, measured.after))
    return f"| {attack.title} | {attack.before} | {measured.silence * 1000:.0f} ms | {sizes} |\n"


def write(table: str) -> None:
    """Put the table into the document, in the place of the last one."""
    text = DOCUMENT.read_text()
    changed = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table}{END}", text, flags=re.DOTALL)
    DOCUMENT.write_text(changed)


def main() -> None:
    """Print the table, and write it into the document when asked to."""
    attacks = every_attack()
    parser = argparse.ArgumentParser(prog="python -m tests.attacks")
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *(attack.name for attack in attacks)])
    parser.add_argument("--write", action="store_true", help="put the table into docs/security.md")
    arguments = parser.parse_args()
    table = HEADER
    print(HEADER, end="")
    with start_cluster():
        for attack in attacks:
            if not arguments.names or attack.name in arguments.names:
                with fresh_database() as url:
                    line = row(attack, attack.measure(url))
                print(line, end="", flush=True)
                table += line
    if arguments.write:
        write(table)


if __name__ == "__main__":
    main()
