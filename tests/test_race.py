"""What a search would have handed over at a moment, on which the race with other programs rests."""

from benchmarks.competitors.moments import handed_over
from benchmarks.whole_sweep import COMPETITORS, at, table


def test_the_best_last_report_of_each_moment_is_handed_over():
    reports = [
        (40.0, 1, 0.9, {"rate": 1}),
        (10.0, 0, 0.7, {"rate": 0}),
        (20.0, 1, 0.5, {"rate": 1}),
        (30.0, 2, None, {"rate": 2}),  # ended early: counted, never taken
        (70.0, 3, 0.95, {"rate": 3}),  # ran at the end
    ]
    found = handed_over(reports, [60.0, 5.0, 25.0, 35.0])
    assert found == [  # nothing yet after 5 seconds
        {"seconds": 25.0, "value": 0.7, "trials": 2, "rate": 0},
        {"seconds": 35.0, "value": 0.7, "trials": 3, "rate": 0},
        {"seconds": 60.0, "value": 0.95, "trials": 4, "rate": 3},
    ]


def test_the_table_counts_who_had_nothing_yet():
    name = next(iter(COMPETITORS))
    early = {"seconds": 60.0, "trials": 3, "test": [0.8, 0.9]}
    late = {"seconds": 120.4, "trials": 9, "test": [0.9, 0.9]}
    rows = [
        {"competitor": name, "peak_gib": 0.5, "found": [early, late]},
        {"competitor": name, "peak_gib": 0.7, "found": [late]},
    ]
    assert at(rows[0], 1.0) == early
    assert at(rows[0], 2.0) == late  # half a second is nobody's fault
    assert at(rows[1], 1.0) is None
    lines = table(rows, [1.0, 2.0]).splitlines()[2:]
    assert lines == [
        f"| 1 | {name} | 1 of 2 | 3 | 85.00 | 85.00 to 85.00 | 0.7 |",
        f"| 2 | {name} | 2 of 2 | 9 | 90.00 ± 0.00 | 90.00 to 90.00 | 0.7 |",
    ]
