"""The sweep's three panels: plain data first, then the figure."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.analysis.scores import distance_from_best
from studies.analysis.surrogate import MIN_TRIALS
from studies.experiments.marginal import MAX_POINTS, effects_info
from studies.space import DEFAULT_SPACE, around, axes, baseline
from studies.views.figures.marginals import effects_figure

BASE, PROPOSED = asdict(baseline(DEFAULT_SPACE, 3072)), dict(around(DEFAULT_SPACE, 3072))


def trial(number: int, accuracy: float | None, **params: Any) -> FrozenTrial:
    """A complete trial, or without an accuracy a pruned one."""
    made = create_trial(
        state=TrialState.PRUNED if accuracy is None else TrialState.COMPLETE,
        value=accuracy,
        params={**BASE, **params},
        distributions=PROPOSED,
    )
    made.number = number
    made.datetime_start = made.datetime_complete = datetime(2026, 1, 1)
    return made


def sweep(n: int, *, seed: int = 0) -> list[FrozenTrial]:
    """A baseline, then random trials; accuracy grows with the hidden units."""
    rng = np.random.default_rng(seed)
    trials = [trial(0, 0.82)]
    for number in range(1, n):
        params = {}
        for name, axis in axes(DEFAULT_SPACE).items():
            u = rng.random()
            x = axis.low * (axis.high / axis.low) ** u if axis.log else axis.low + u * (axis.high - axis.low)
            params[name] = round(x) if axis.whole else float(x)
        accuracy = 0.80 + 0.01 * np.log2(params["hidden_units"] / 32) + 0.003 * rng.standard_normal()
        trials.append(trial(number, accuracy, **params))
    return trials


def test_points_best_and_baseline() -> None:
    trials = [trial(0, 0.82), trial(1, None, batch_size=32), trial(2, 0.85, batch_size=64), trial(3, 0.85)]
    info = effects_info(trials, noise=0.004, label="built-in images")
    assert [(p.trial, p.accuracy) for p in info.points] == [(0, 82.0), (2, 85.0), (3, 85.0)]
    assert info.best is not None
    assert info.best.trial == 2
    assert info.baseline is not None
    assert info.baseline.trial == 0
    assert (info.n_complete, info.n_pruned) == (3, 1)
    assert info.noise_width == pytest.approx(100 * distance_from_best(0.004, 3))
    assert [(p.name, p.low, p.high, p.log) for p in info.panels] == [
        ("batch_size", 16, 256, True),
        ("learning_rate", 3e-4, 0.1, True),
        ("hidden_units", 32, 512, True),
    ]


def test_a_study_without_the_baseline_marks_none() -> None:
    info = effects_info([trial(0, 0.82, batch_size=32)])
    assert info.baseline is None
    assert "baseline" not in effects_figure(info).to_json()


def test_the_trend_finds_the_effect() -> None:
    info = effects_info(sweep(60))
    hidden = info.panels[2]
    assert hidden.average is not None
    assert hidden.tuned is not None
    for trend in (hidden.average, hidden.tuned):
        assert trend.mean[-1] - trend.mean[0] == pytest.approx(4.0, abs=1.0)
        assert all(low <= m <= high for low, m, high in zip(trend.low, trend.mean, trend.high, strict=True))
    batch = info.panels[0].average
    assert batch is not None
    assert np.ptp(batch.mean) < 0.6


def test_a_trend_needs_enough_trials() -> None:
    assert effects_info(sweep(MIN_TRIALS - 1)).panels[0].average is None
    assert effects_info(sweep(MIN_TRIALS)).panels[0].average is not None


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_trials_make_a_figure(n: int) -> None:
    figure = effects_figure(effects_info(sweep(n)[:n], noise=0.004))
    text = figure.to_json()
    for words in ("Batch size", "Learning rate", "Hidden units", "Validation accuracy (%)"):
        assert words in text
    title = {0: "No complete trial yet", 1: "Marginal effects in this sweep: 1 complete trial"}.get(n)
    assert title is None or figure.layout.title.text == title


def test_trials_that_all_coincide_make_a_figure() -> None:
    rng = np.random.default_rng(1)
    trials = [trial(i, 0.82 + 0.004 * rng.standard_normal()) for i in range(MIN_TRIALS + 5)]
    panel = effects_info(trials).panels[0]
    assert panel.average is not None
    assert np.ptp(panel.average.mean) < 1e-6
    effects_figure(effects_info(trials))


def test_the_star_and_the_baseline_are_in_every_panel_and_name_their_parameters() -> None:
    trials = sweep(30)
    info = effects_info(trials)
    assert info.best is not None
    data = json.loads(effects_figure(info).to_json())["data"]
    stars = [t for t in data if t["mode"] == "markers" and t["marker"].get("symbol") == "star"]
    assert [t["xaxis"] for t in stars] == ["x", "x2", "x3"]
    for star, name in zip(stars, ("batch_size", "learning_rate", "hidden_units"), strict=True):
        assert star["x"] == [pytest.approx(info.best.params[name], rel=1e-3)]
        assert star["y"] == [pytest.approx(info.best.accuracy, abs=0.01)]
        assert f"trial {info.best.trial}," in star["hovertemplate"]
        for parameter in DEFAULT_SPACE:
            assert parameter in star["hovertemplate"]
    assert len([t for t in data if t.get("marker", {}).get("symbol") == "diamond"]) == 3


def test_the_legend_names_each_thing_once() -> None:
    data = json.loads(effects_figure(effects_info(sweep(30), noise=0.004)).to_json())["data"]
    shown = [t["name"] for t in data if t.get("showlegend")]
    assert shown[:3] == ["other parameters averaged", "other parameters tuned (bands: 95 %)", "trial"]
    assert len(shown) == len(set(shown)) == 5


def test_the_noise_band_hangs_below_the_best_only_where_noise_is_known() -> None:
    known = effects_figure(effects_info(sweep(30), noise=0.004))
    (shape,) = known.layout.shapes
    assert shape.y1 - shape.y0 == pytest.approx(100 * distance_from_best(0.004, 30), abs=0.02)
    assert not effects_figure(effects_info(sweep(30))).layout.shapes


def test_hopeless_trials_do_not_squeeze_the_axis_and_are_counted() -> None:
    trials = sweep(40)
    for i in (5, 11):
        trials[i] = trial(i, 0.5)
    figure = effects_figure(effects_info(trials))
    bottom, top = figure.layout.yaxis.range
    assert bottom > 70
    assert top < 95
    assert "2 below" in figure.layout.title.text
    assert "below" not in effects_figure(effects_info(sweep(3))).layout.title.text


def test_pruned_trials_are_ticks_at_the_bottom_of_every_panel() -> None:
    trials = [*sweep(30), trial(30, None, batch_size=200), trial(31, None, batch_size=17)]
    figure = effects_figure(effects_info(trials))
    ticks = [t for t in figure.data if t.marker.symbol == "line-ns-open"]
    assert [t.xaxis for t in ticks] == ["x", "x2", "x3"]
    assert list(ticks[0].x) == [200, 17]
    bottom, top = figure.layout.yaxis.range
    assert all(bottom < y < bottom + 0.05 * (top - bottom) for t in ticks for y in t.y)
    many = [*trials, *(trial(n, None) for n in range(32, 1000))]
    assert len(effects_info(many).pruned) <= MAX_POINTS // 2


def test_the_title_says_what_is_drawn() -> None:
    trials = [*sweep(MAX_POINTS + 30), trial(999, None)]
    info = effects_info(trials, label="CIFAR-10")
    text = effects_figure(info).layout.title.text
    assert f"{MAX_POINTS} of {MAX_POINTS + 30} complete trials drawn" in text
    assert "1 pruned as ticks" in text
    assert text.endswith("CIFAR-10")
    assert len(info.points) == MAX_POINTS
    best = sorted(trials[:-1], key=lambda t: -(t.value or 0))[: MAX_POINTS // 4]
    assert {t.number for t in best} <= {p.trial for p in info.points}


def test_the_figure_stays_small() -> None:
    assert len(effects_figure(effects_info(sweep(100), noise=0.004)).to_json()) < 20_000
    trials = [*sweep(400), *(trial(n, None, batch_size=200) for n in range(400, 1000))]
    assert len(effects_figure(effects_info(trials, noise=0.004)).to_json()) < 23_500


def test_a_long_title_is_broken_rather_than_cut_off() -> None:
    label = "CIFAR-10 (airplane, ship), judged on the TEST set"
    layout = effects_figure(effects_info([*sweep(30), trial(30, None)], label=label)).layout
    lines = layout.title.text.split("<br>")
    assert len(lines) == 2
    assert " ".join(lines).endswith(label)
    short = effects_figure(effects_info(sweep(3))).layout
    assert "<br>" not in short.title.text
    assert (short.margin.t, layout.margin.t) == (57, 74)


def test_ticks_are_plain_numbers() -> None:
    layout = effects_figure(effects_info(sweep(3))).layout
    assert list(layout.xaxis.ticktext) == ["16", "32", "64", "128", "256"]
    assert list(layout.xaxis2.ticktext) == ["0.001", "0.01", "0.1"]
