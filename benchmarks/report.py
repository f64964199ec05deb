"""The report: a table in Markdown and a bar chart."""

import re
from html import escape
from pathlib import Path

from benchmarks.measure import Line

DOCS = Path(__file__).resolve().parent.parent / "docs"
# Parts of docs/benchmarks.md, in their order. The first two may be measured alone.
PEERS, GROWTH, NOTES = (DOCS / f"benchmarks-{name}.md" for name in ("peers", "growth", "notes"))
INTRODUCTION = """# Benchmarks

`make bench` measured these on two shared cores, the servers on one and the load on the other; every figure is the
median of {repetitions} interleaved repetitions, with the least and the most. Ratios are against the reference of the
same repetition. The machine is noisy: trust ratios and CPU more than rates.

simplechat is measured as a whole: signed-in people, their membership, rendering, the commit, Redis, real fragments.
For fan-out a message is posted to one process and received by another, whose CPU is counted: receiving it from Redis,
checking its revision, encoding, writing. The references send a text of the same size, posted to them by HTTP.

| work | figure | goal | |
|---|---|---|---|
"""


def write(table: dict[str, list[Line]], repetitions: int) -> None:
    """Write docs/benchmarks.md and docs/benchmarks.svg."""
    marks = {True: "reached", False: "**missed**", None: ""}
    rows = [
        f"| {line.work} | {line.figure} | {line.goal} | {marks[line.is_reached]} |"
        for lines in table.values()
        for line in lines
    ]
    text = INTRODUCTION.format(repetitions=repetitions) + "\n".join(rows) + "\n\n![CPU a delivery](benchmarks.svg)\n"
    for part in (PEERS, GROWTH, NOTES):
        text += "\n" + part.read_text() if part.exists() else ""
    (DOCS / "benchmarks.md").write_text(text)
    bars = [
        (line.work.split(": ")[1], float(re.findall(r"[\d.]+", line.figure)[0]))
        for line in table["fanout"]
        if "CPU a delivery" in line.work
    ]
    (DOCS / "benchmarks.svg").write_text(chart(bars))


def write_part(part: Path, text: str) -> None:
    """Write a part of docs/benchmarks.md that was measured alone."""
    whole = DOCS / "benchmarks.md"
    whole.write_text(whole.read_text().replace(part.read_text(), text))
    part.write_text(text)


def chart(bars: list[tuple[str, float]]) -> str:
    """Draw a bar chart of microseconds as SVG."""
    longest = max(value for _, value in bars)
    height = 34 * len(bars) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" font-family="sans-serif" font-size="14">',
        f'<rect width="760" height="{height}" fill="#fff"/>',
        '<text x="16" y="26" font-weight="bold">Server CPU a delivery, 1,000 readers, one message at a time</text>',
    ]
    for number, (name, value) in enumerate(sorted(bars, key=lambda bar: bar[1])):
        y, width = 44 + 34 * number, 380 * value / longest
        colour = "#0f6b6b" if name == "simplechat" else "#9aa5a5"
        parts += [
            f'<text x="280" y="{y + 17}" text-anchor="end">{escape(name.split(" (")[0])}</text>',
            f'<rect x="290" y="{y}" width="{width:.0f}" height="24" rx="4" fill="{colour}"/>',
            f'<text x="{298 + width:.0f}" y="{y + 17}">{value:.3g} µs</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
