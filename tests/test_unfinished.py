"""Pruned trainings are seen by the effects of a sweep: without them the average is too high."""

import numpy as np
import pytest
from test_surrogate import AXES, params_of, sample, smooth

from studies.analysis.surrogate import Surrogate
from studies.analysis.unfinished import MIN_CURVES, projected

EPOCHS = 10


def pruned_sweep(seed: int, n: int = 120):  # type: ignore[no-untyped-def]
    """Train at random, the lowest fifth pruned: settings, whole curves, where they ended, what is known."""
    rng = np.random.default_rng(seed)
    u = sample(n, rng)
    late = 0.03 + 0.03 * u[:, 3]  # some learn later than others
    rise = -np.outer(late, np.exp(-np.arange(EPOCHS) / 3.0))
    curves = smooth(u)[:, None] + rise - rise[:, -1:] + 0.004 * rng.standard_normal((n, EPOCHS))
    ended = np.full(n, EPOCHS)
    for i in range(5, n):
        for epoch in range(2, EPOCHS - 1):
            if curves[i, epoch] < np.quantile(curves[:i][ended[:i] > epoch, epoch], 0.2):
                ended[i] = epoch + 1
                break
    kept = [dict(enumerate(curve[:stop])) for curve, stop in zip(curves, ended, strict=True)]
    return u, curves, ended, kept


def errors(seed: int) -> tuple[float, float, float]:
    """Return how far the average is off, without and with pruned trials; and how many were pruned."""
    u, curves, ended, kept = pruned_sweep(seed)
    done = ended == EPOCHS
    ends = curves[done, -1]
    later = projected(
        [c for c, d in zip(kept, done, strict=True) if d],
        ends.tolist(),
        [c for c, d in zip(kept, done, strict=True) if not d],
    )
    params = params_of(np.vstack([u[done], u[~done]]))
    everywhere = sample(4000, np.random.default_rng(99))
    grid = AXES["batch_size"].grid(5)
    truth = []
    for value in AXES["batch_size"].to_unit(grid):
        everywhere[:, list(AXES).index("batch_size")] = value
        truth.append(smooth(everywhere).mean())
    found = []
    for n in (done.sum(), len(u)):
        surrogate = Surrogate(params[:n], np.concatenate([ends, later])[:n].tolist(), AXES)
        found.append(float((surrogate.mean_effect("batch_size", grid).mean - truth).mean()))
    return found[0], found[1], float((~done).mean())


def test_the_average_is_too_high_without_pruned_trials_and_about_right_with_them() -> None:
    without, seen, pruned = np.mean([errors(seed) for seed in range(3)], axis=0)
    assert pruned > 0.4
    assert without > 0.006
    assert abs(seen) < 0.003


def test_a_projection_is_on_the_line_of_the_curves_that_reach_beyond() -> None:
    start = np.linspace(0.6, 0.7, MIN_CURVES)
    curves = [{0: x, 1: 0.4 + 0.6 * x} for x in start]
    ends = [curve[1] for curve in curves]
    found = projected(curves, ends, [{0: 0.5}, {0: 0.62}])
    np.testing.assert_allclose(found, [0.7, 0.772])
    np.testing.assert_array_equal(projected(curves[1:], ends[1:], [{0: 0.5}]), [np.nan])


def test_those_ended_later_teach_what_becomes_of_those_ended_sooner() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(0.7, 0.02, 200)
    second = 0.7 + 0.5 * (first - 0.7) + rng.normal(0.0, 0.02, 200)
    good = second > np.quantile(second, 0.5)
    curves = [{0: a, 1: b, 2: b} for a, b in zip(first[good], second[good], strict=True)]
    late = [{0: a, 1: b} for a, b in zip(first[~good], second[~good], strict=True)]
    soon = [{0: 0.66}] * 300
    ends = [curve[2] for curve in curves]
    alone = projected(curves, ends, soon).mean()
    together = projected(curves, ends, [*late, *soon])[len(late) :].mean()
    assert together == pytest.approx(0.68, abs=0.004)
    assert alone > 0.69
