"""The best so far, trial by trial: the row under the panels, and the band in which differences are noise."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.analysis.scores import distance_from_best
from studies.experiments.marginal import MAX_POINTS, Point, effects_info, records
from studies.space import DEFAULT_SPACE, around, baseline
from studies.views.figures.marginals import effects_figure

BASE, PROPOSED = asdict(baseline(DEFAULT_SPACE, 3072)), dict(around(DEFAULT_SPACE, 3072))
WIDTH = 100 * distance_from_best(0.004, 4)  # in points, of four trials


def trials(*accuracies: float | None) -> list[FrozenTrial]:
    """One complete trial per accuracy in per cent; None makes a pruned one."""
    made = []
    for number, accuracy in enumerate(accuracies):
        trial = create_trial(
            state=TrialState.PRUNED if accuracy is None else TrialState.COMPLETE,
            value=None if accuracy is None else accuracy / 100,
            params=BASE,
            distributions=PROPOSED,
        )
        trial.number = number
        trial.datetime_start = trial.datetime_complete = datetime(2026, 1, 1)
        made.append(trial)
    return made


def row(found: list[FrozenTrial], *, noise: float | None = None) -> tuple[list[Any], dict[str, Any]]:
    """Return the traces of the lower row and the layout, as the browser gets them."""
    figure = json.loads(effects_figure(effects_info(found, noise=noise)).to_json())
    return [t for t in figure["data"] if t.get("yaxis") == "y2"], figure["layout"]


def line(traces: list[Any]) -> dict[str, Any]:
    (found,) = (t for t in traces if t["mode"] == "lines" and t["line"]["width"])
    return dict(found)


def test_a_record_is_better_than_all_before_it() -> None:
    points = [Point(i, accuracy, {}) for i, accuracy in enumerate((80.0, 79.0, 80.0, 82.5, 81.0, 83.0))]
    assert [p.trial for p in records(points)] == [0, 3, 5]
    assert records([]) == []


def test_the_curve_steps_up_at_records_and_runs_to_the_last_finished_trial() -> None:
    traces, layout = row(trials(82.0, 81.0, None, 83.0, 82.5, None))
    curve = line(traces)
    assert curve["line"]["shape"] == "hv"
    assert (curve["x"], curve["y"]) == ([0, 3, 5], [82, 83, 83])
    assert curve["text"] == ["0", "3", "3"]
    low, high = layout["xaxis4"]["range"]
    assert low <= 0
    assert high >= 5


def test_pruned_trials_are_left_out() -> None:
    traces, _ = row(trials(82.0, None, 83.0))
    (points,) = (t for t in traces if t["mode"] == "markers")
    assert (points["x"], points["y"]) == ([0, 2], [82, 83])


def test_a_trial_that_began_the_sweep_pruned_moves_the_curve() -> None:
    assert line(row(trials(None, 82.0, 81.0))[0])["x"] == [1, 2]


def test_the_band_is_as_wide_as_in_the_panels_and_follows_the_best() -> None:
    traces, layout = row(trials(82.0, 81.0, 83.0, 82.5), noise=0.004)
    low, high = (t for t in traces if t["mode"] == "lines" and not t["line"]["width"])
    assert low["x"] == high["x"] == line(traces)["x"] == [0, 2, 3]
    assert high["y"] == line(traces)["y"]
    widths = [h - lo for h, lo in zip(high["y"], low["y"], strict=True)]
    assert widths == pytest.approx([WIDTH] * 3, abs=0.02)
    (shape,) = layout["shapes"]
    assert shape["y1"] - shape["y0"] == pytest.approx(widths[-1], abs=0.02)
    assert {low["line"]["shape"], high["line"]["shape"]} == {"hv"}
    assert layout["yaxis2"]["range"][0] < low["y"][0]


def test_without_measured_noise_there_is_no_band() -> None:
    traces, _ = row(trials(82.0, 81.0, 83.0))
    assert [t["mode"] for t in traces] == ["markers", "lines"]
    assert all("fill" not in t for t in traces)


def test_trials_far_below_are_counted_instead_of_squeezing_the_steps() -> None:
    _, layout = row(trials(82.0, 50.0, 55.0, 83.0))
    assert layout["yaxis2"]["range"][0] > 75
    assert layout["xaxis4"]["title"]["text"].startswith("Trial (2 below ")
    assert row(trials(82.0, 83.0))[1]["xaxis4"]["title"]["text"] == "Trial"


def test_a_hopeless_first_trial_does_not_squeeze_the_rest() -> None:
    assert row(trials(50.0, 82.0, 83.0))[1]["yaxis2"]["range"][0] > 70


def test_the_panels_keep_most_of_the_height_and_the_rows_stand_apart() -> None:
    _, layout = row(trials(82.0, 83.0))
    (low, top), (bottom, high) = layout["yaxis2"]["domain"], layout["yaxis"]["domain"]
    assert (low, high) == (0, 1)
    assert high - bottom > 2 * (top - low)
    assert bottom - top > 0.1
    assert layout["yaxis2"]["title"]["text"] == "Best so far (%)"


def test_a_study_without_a_complete_trial_has_no_row() -> None:
    traces, layout = row(trials(None))
    assert traces == []
    assert "yaxis2" not in layout


def test_one_trial_makes_a_row() -> None:
    traces, layout = row(trials(82.0), noise=0.004)
    assert line(traces)["y"] == [82, 82]
    assert layout["xaxis4"]["range"][1] > layout["xaxis4"]["range"][0]


def test_a_long_sweep_draws_few_points_but_all_records() -> None:
    n = 4 * MAX_POINTS
    traces, _ = row(trials(*(80.0 + (i % 7) / 10 for i in range(n - 1)), 83.0))
    (points,) = (t for t in traces if t["mode"] == "markers")
    assert len(points["x"]) == MAX_POINTS
    assert line(traces)["x"] == [0, 1, 2, 3, 4, 5, 6, n - 1, n - 1]
