"""Growth curves of the benchmarks."""

from xml.etree import ElementTree

import pytest

from benchmarks.curves import Curve, chart, table

CONSTANT = Curve("a post", "members", "ms", {10: [2.0], 100: [2.0], 1000: [2.0]})
PROPORTIONAL = Curve("a delivery", "pages", "ms", {10: [1.0, 9.0, 2.0], 100: [20.0], 1000: [200.0]})
WITH_A_FIXED_PART = Curve("a <page>", "rooms", "ms", {1: [11.0], 10: [20.0], 100: [110.0], 1000: [1010.0]})


def test_an_exponent_says_how_a_cost_grows() -> None:
    assert CONSTANT.exponent == pytest.approx(0)
    assert PROPORTIONAL.exponent == pytest.approx(1), "of the medians"
    assert WITH_A_FIXED_PART.exponent == pytest.approx(0.66, abs=0.01)
    assert WITH_A_FIXED_PART.last_exponent == pytest.approx(0.96, abs=0.01)


def test_a_table_has_a_row_for_each_curve() -> None:
    assert "| a delivery | 10 · 100 · 1,000 pages | 2 · 20 · 200 ms | 1.00 | 1.00 |\n" in table(
        [CONSTANT, PROPORTIONAL]
    )


def test_a_chart_draws_growth_in_proportion_at_45_degrees() -> None:
    drawn = ElementTree.fromstring(chart([CONSTANT, PROPORTIONAL, WITH_A_FIXED_PART]))
    lines = [line.get("points", "").split() for line in drawn.iter("{http://www.w3.org/2000/svg}polyline")]
    slopes = []
    for line in lines:
        (left, low), (right, high) = (map(float, line[place].split(",")) for place in (0, -1))
        slopes.append((low - high) / (right - left))
    assert slopes == pytest.approx([0, 1, 0.65], abs=0.01)
