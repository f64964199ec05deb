"""`python -m benchmarks [--repetitions 5] [row …]`: measure, print a table, write docs/benchmarks.md."""

import argparse
import importlib
import sys

from benchmarks.report import write

ROWS = (
    "fanout",
    "busy",
    "nodes",
    "growth",
    "curves",
    "posts",
    "pages",
    "connections",
    "returning",
    "browser",
    "switching",
    "eyes",
    "start",
    "search",
    "brokers",
    "files",
    "peers",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("rows", nargs="*", default=ROWS, metavar="row", help=", ".join(ROWS))
    arguments = parser.parse_args()
    table = {}
    for row in arguments.rows:
        table[row] = importlib.import_module(f"benchmarks.rows.{row}").run(arguments.repetitions)
        for line in table[row]:
            mark = {True: "reached", False: "MISSED", None: ""}[line.is_reached]
            print(f"{line.work:75} {line.figure:42} {line.goal:10} {mark}", flush=True)
    if set(arguments.rows) == set(ROWS):
        write(table, arguments.repetitions)
    sys.exit(0)


if __name__ == "__main__":
    main()
