"""Growth curves: how a cost grows with a number, as exponents, a chart and a table."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, COLUMNS = 252, 254, 3
LEFT, TOP, SIDE = 44, 56, 160  # of the square in which a curve is drawn
TEXT, FAINT, COLOUR = "#1f2a2a", "#5c6868", "#0f6b6b"


@dataclass(frozen=True)
class Curve:
    """A cost at each size, measured several times."""

    work: str
    of: str  # what there is so many of
    unit: str
    figures: Mapping[int, Sequence[float]]

    @property
    def medians(self) -> dict[int, float]:
        """The median cost at each size."""
        return {size: statistics.median(values) for size, values in self.figures.items()}

    @property
    def exponent(self) -> float:
        """The slope of the least-squares line through the logarithms: 0 is constant, 1 in proportion."""
        return _slope(self.medians)

    @property
    def last_exponent(self) -> float:
        """The exponent from the second largest size to the largest, where a fixed part weighs least."""
        return _slope(dict(list(self.medians.items())[-2:]))


def _slope(costs: Mapping[int, float]) -> float:
    logarithms = [math.log(size) for size in costs], [math.log(cost) for cost in costs.values()]
    return statistics.linear_regression(*logarithms).slope


def table(curves: Sequence[Curve]) -> str:
    """Return the curves as a table in Markdown."""
    rows = [
        f"| {curve.work} | {' · '.join(f'{size:,}' for size in curve.medians)} {curve.of} "
        f"| {' · '.join(map(short, curve.medians.values()))} {curve.unit} "
        f"| {curve.exponent:.2f} | {curve.last_exponent:.2f} |\n"
        for curve in curves
    ]
    head = "| cost | with | figures | exponent | of the last step |\n|---|---|---|---|---|\n"
    return head + "".join(rows)


def chart(curves: Sequence[Curve]) -> str:
    """Draw a small diagram for each curve as SVG, on a ground of its own, for light and dark pages."""
    rows = math.ceil(len(curves) / COLUMNS)
    width, height = WIDTH * COLUMNS + 16, HEIGHT * rows + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="11" fill="{TEXT}">',
        "<title>How costs grow; both axes are logarithmic, and the dashed line is growth in proportion</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>',
    ]
    for number, curve in enumerate(curves):
        x, y = 8 + number % COLUMNS * WIDTH, 8 + number // COLUMNS * HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_diagram(curve), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _diagram(curve: Curve) -> list[str]:
    """Draw a curve. A decade is as long upwards as to the right, so the eye sees the exponent as the slope."""
    costs = curve.medians
    across, upwards = [math.log10(size) for size in costs], [math.log10(cost) for cost in costs.values()]
    span = max(across[-1] - across[0], max(upwards) - min(upwards))
    decade, lowest = SIDE / span, (max(upwards) + min(upwards) - span) / 2

    def place(right: float, up: float) -> tuple[float, float]:
        return LEFT + (right - across[0]) * decade, TOP + SIDE - (up - lowest) * decade

    points = [place(*point) for point in zip(across, upwards, strict=True)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    room = min(span, lowest + span - upwards[0])
    start, end = points[0], place(across[0] + room, upwards[0] + room)
    labels = [f"{short(cost)} {curve.unit}" for cost in costs.values()]
    return [
        f'<text x="8" y="18" font-size="12" font-weight="bold">{escape(curve.work)}</text>',
        f'<text x="8" y="34">exponent {curve.exponent:.2f}, last step {curve.last_exponent:.2f}</text>',
        f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#d5dbdb"/>',
        *_decades(lowest, span, decade),
        *(_size(size, x) for size, (x, _) in zip(costs, points, strict=True)),
        f'<path d="M{start[0]:.1f},{start[1]:.1f}L{end[0]:.1f},{end[1]:.1f}" stroke="#b9c2c2" stroke-dasharray="3 4"/>',
        f'<polyline points="{line}" fill="none" stroke="{COLOUR}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOUR}"/>' for x, y in points),
        f'<text x="{start[0] + 2:.1f}" y="{start[1] - 9:.1f}">{labels[0]}</text>',
        f'<text x="{points[-1][0] + 30:.1f}" y="{points[-1][1] - 9:.1f}" text-anchor="end">{labels[-1]}</text>',
        f'<text x="{LEFT + SIDE / 2}" y="{TOP + SIDE + 30}" text-anchor="middle">{escape(curve.of)}</text>',
    ]


def _decades(lowest: float, span: float, decade: float) -> list[str]:
    lines = []
    for power in range(math.ceil(lowest), math.floor(lowest + span) + 1):
        y = TOP + SIDE - (power - lowest) * decade
        lines += [
            f'<path d="M{LEFT},{y:.1f}h{SIDE}" stroke="#edf0f0"/>',
            f'<text x="{LEFT - 5}" y="{y + 4:.1f}" fill="{FAINT}" text-anchor="end">{10**power:,g}</text>',
        ]
    return lines


def _size(size: int, x: float) -> str:
    return f'<text x="{x:.1f}" y="{TOP + SIDE + 14}" fill="{FAINT}" text-anchor="middle">{size:,}</text>'


def short(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
