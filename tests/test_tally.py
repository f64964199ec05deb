"""Counting in plain Python."""

from chat.tally import Histogram, RequestTally


def test_a_value_counts_at_the_first_bound_that_it_does_not_exceed() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    histogram.observe(0.2, times=10)
    assert histogram.counts == [2, 11, 1]
    assert round(histogram.sum, 6) == 9.65


def test_requests_count_by_method_route_and_status() -> None:
    tally = RequestTally()
    tally.note("GET", "/rooms/{room_id}", 200, 0.02)
    tally.note("GET", "/rooms/{room_id}", 404, 0.001)
    assert tally.answers == {("GET", "/rooms/{room_id}", "200"): 1, ("GET", "/rooms/{room_id}", "404"): 1}
    assert sum(tally.seconds["GET", "/rooms/{room_id}"].counts) == 2
