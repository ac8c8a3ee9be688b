"""The surrogate's bands hold the truth, and odd studies do not upset it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution
from scipy.optimize import minimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from studies.analysis.axis import Axis
from studies.analysis.surrogate import MAX_TRIALS, MIN_TRIALS, Surrogate, _explained, _plausible_kernels
from studies.space import DEFAULT_SPACE, axes

Array = NDArray[np.float64]

AXES = axes(DEFAULT_SPACE)
NAMES = list(AXES)
FACTORS = NAMES[:3]
NOISE = 0.004


def smooth(u: Array) -> Array:
    """Accuracy with main effects, one interaction and a cost of depth."""
    return np.asarray(
        0.80
        + 0.02 * np.sin(3 * u[:, 0])
        - 0.06 * (u[:, 1] - 0.5) ** 2
        + 0.015 * u[:, 2]
        + 0.03 * (u[:, 3] - 0.5) * (u[:, 1] - 0.5)
        - 0.01 * u[:, 5]
    )


def cliff(u: Array) -> Array:
    """Accuracy that falls to chance where the learning rate is high."""
    return np.asarray(
        0.82 + 0.02 * u[:, 2] - 0.03 * (u[:, 0] - 0.3) ** 2 - 0.25 / (1 + np.exp(25 * (0.85 - u[:, 1])))
    )


def sample(n: int, rng: np.random.Generator) -> Array:
    return np.column_stack([AXES[name].snap(rng.random(n)) for name in NAMES])


def params_of(u: Array) -> list[dict[str, float]]:
    rows = []
    for row in u:
        params: dict[str, float] = {}
        for (name, axis), v in zip(AXES.items(), row, strict=True):
            x = axis.low * (axis.high / axis.low) ** v if axis.log else axis.low + v * (axis.high - axis.low)
            params[name] = round(x) if axis.whole else float(x)
        rows.append(params)
    return rows


@pytest.mark.parametrize("truth", [smooth, cliff])
def test_the_average_lies_in_its_band(truth) -> None:  # type: ignore[no-untyped-def]
    everywhere = sample(4000, np.random.default_rng(99))
    inside = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        u = sample(100, rng)
        fit = Surrogate(params_of(u), truth(u) + NOISE * rng.standard_normal(100), AXES, seed=seed)
        for name in FACTORS:
            effect = fit.mean_effect(name, AXES[name].grid(6))
            for g, low, high in zip(AXES[name].to_unit(effect.grid), effect.low, effect.high, strict=True):
                fixed = everywhere.copy()
                fixed[:, NAMES.index(name)] = g
                inside.append(low <= truth(fixed).mean() <= high)
    assert np.mean(inside) >= 0.90


def test_the_tuned_setting_keeps_its_promise() -> None:
    inside, shortfall = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        u = sample(100, rng)
        fit = Surrogate(params_of(u), smooth(u) + NOISE * rng.standard_normal(100), AXES, seed=seed)
        for name in FACTORS:
            tuned = fit.best_effect(name, AXES[name].grid(6))
            best = sample(20_000, np.random.default_rng(98))
            for g, m, low, high in zip(
                AXES[name].to_unit(tuned.grid), tuned.mean, tuned.low, tuned.high, strict=True
            ):
                best[:, NAMES.index(name)] = g
                top = smooth(best).max()
                inside.append(low <= top <= high)
                shortfall.append(top - m)
    assert np.mean(inside) >= 0.80  # the best of finitely many candidates is a little below the best of all
    assert abs(np.mean(shortfall)) < 0.005


def test_noise_is_not_promised_as_merit() -> None:
    rng = np.random.default_rng(5)
    u = sample(100, rng)
    values = 0.82 + NOISE * rng.standard_normal(100)
    fit = Surrogate(params_of(u), values, AXES)
    tuned = fit.best_effect("batch_size", AXES["batch_size"].grid(6))
    assert tuned.mean.max() < values.max() - 0.003


def test_a_few_hopeless_trainings_do_not_ruin_the_fit_at_the_top() -> None:
    rng = np.random.default_rng(6)
    u = sample(100, rng)
    values = smooth(u) + NOISE * rng.standard_normal(100)
    spoilt = values.copy()
    spoilt[::20] = 0.5
    grid = AXES["learning_rate"].grid(6)
    clean = Surrogate(params_of(u), values, AXES).best_effect("learning_rate", grid)
    robust = Surrogate(params_of(u), spoilt, AXES).best_effect("learning_rate", grid)
    np.testing.assert_allclose(robust.mean, clean.mean, atol=0.005)
    assert (robust.high - robust.low).mean() < 0.03


def test_the_same_trials_give_the_same_answer() -> None:
    u = sample(30, np.random.default_rng(7))
    first, second = (
        Surrogate(params_of(u), smooth(u), AXES).mean_effect("batch_size", [16, 64]) for _ in "ab"
    )
    np.testing.assert_array_equal(first.low, second.low)


def test_one_configuration_repeated_gives_a_flat_line() -> None:
    params = params_of(np.full((MIN_TRIALS, len(NAMES)), 0.5))
    values = 0.8 + 0.004 * np.random.default_rng(8).standard_normal(MIN_TRIALS)
    effect = Surrogate(params, values, AXES).mean_effect("batch_size", [16, 64, 256])
    assert np.ptp(effect.mean) == pytest.approx(0.0, abs=1e-9)
    assert effect.low[0] < values.mean() < effect.high[0]


def test_equal_values_and_a_constant_hyperparameter_are_fine() -> None:
    u = sample(MIN_TRIALS, np.random.default_rng(9))
    u[:, 5] = 0.5
    effect = Surrogate(params_of(u), np.full(MIN_TRIALS, 0.8), AXES).mean_effect("n_layers", [2, 3, 4])
    np.testing.assert_allclose(effect.mean, 0.8, atol=1e-6)


def test_many_trials_are_thinned_but_the_best_stay() -> None:
    rng = np.random.default_rng(10)
    u = sample(1000, rng)
    values = smooth(u) + NOISE * rng.standard_normal(1000)
    fit = Surrogate(params_of(u), values, AXES)
    assert len(fit._x) == MAX_TRIALS
    best = np.column_stack([AXES[n].to_unit([p[n] for p in params_of(u[[values.argmax()]])]) for n in NAMES])
    assert np.isclose(fit._x, best).all(axis=1).any()


def test_too_few_trials_and_other_values_are_refused() -> None:
    u = sample(MIN_TRIALS, np.random.default_rng(11))
    with pytest.raises(ValueError, match=f"at least {MIN_TRIALS}"):
        Surrogate(params_of(u[:5]), [0.8] * 5, AXES)
    with pytest.raises(ValueError, match="not finite"):
        Surrogate(params_of(u), [0.8] * (MIN_TRIALS - 1) + [float("nan")], AXES)


def test_what_is_no_range_of_numbers_has_no_axis() -> None:
    assert list(axes({"activation": CategoricalDistribution(["relu"]), **DEFAULT_SPACE})) == NAMES


def test_grids_are_even_on_the_scale_and_whole_where_they_must_be() -> None:
    np.testing.assert_array_equal(AXES["batch_size"].grid(5), [16, 32, 64, 128, 256])
    np.testing.assert_array_equal(AXES["n_layers"].grid(11), [2, 3, 4])
    assert Axis(3, 3, log=False, whole=True).grid(11) == [3]


class Units:
    """In place of a generator: the first draw is nothing, then follows one unit step per direction."""

    def standard_normal(self, shape: tuple[int, int]) -> Array:
        return np.eye(*shape, k=1)


def test_kernels_are_drawn_around_the_most_plausible_one_as_wide_as_it_is_uncertain() -> None:
    rng = np.random.default_rng(12)
    x = rng.random((40, 2))
    z = np.sin(4 * x[:, 0]) + 0.3 * rng.standard_normal(40)
    found = np.array([kernel.theta for kernel in _plausible_kernels(x, z, rng=Units())])  # type: ignore[arg-type]
    fit = GaussianProcessRegressor(
        ConstantKernel(1.0) * Matern(np.ones(2), nu=2.5) + WhiteKernel(0.1), optimizer=None
    ).fit(x, z)

    def surprise(theta: Array) -> float:
        """With log-normal priors: amplitude 1, lengths 1, noise 0.2, of the spreads 2, 1, 1.5."""
        far = (theta - np.log([1.0, 1.0, 1.0, 0.2])) / [2.0, 1.0, 1.0, 1.5]
        return float(0.5 * far @ far - fit.log_marginal_likelihood(theta))

    best = minimize(surprise, np.zeros(4), method="Nelder-Mead", options={"xatol": 1e-4, "maxiter": 4000}).x
    assert found[0] == pytest.approx(best, abs=0.01)
    steps = found[1:5] - found[0]
    h, curvature = 0.05 * np.eye(4), np.empty((4, 4))
    for i in range(4):
        for j in range(4):
            corners = [s * t * surprise(best + s * h[i] + t * h[j]) for s in (1, -1) for t in (1, -1)]
            curvature[i, j] = sum(corners) / (4 * 0.05**2)
    assert steps.T @ steps == pytest.approx(np.linalg.inv(curvature), rel=0.1, abs=0.01)


def test_bands_are_widened_by_what_the_fit_has_learnt_from_the_data() -> None:
    u = sample(100, np.random.default_rng(13))
    fit = Surrogate(params_of(u), smooth(u), AXES)
    assert fit._widen == pytest.approx(np.sqrt(100 / (100 - 2 * len(NAMES) - 2)))


@pytest.mark.parametrize("seed", range(3))
def test_a_training_that_broke_amid_good_ones_is_left_out_and_poor_neighbours_stay(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.random((60, 1))
    y = 0.82 + 0.02 * np.sin(6 * x[:, 0]) + 0.003 * rng.standard_normal(60)
    y[x[:, 0] > 0.85] = 0.5
    broken = np.abs(x[:, 0] - 0.3).argmin()
    y[broken] = 0.5
    trusted = _explained(x, y, 0.75, np.arange(60), rng=np.random.default_rng(0))
    assert list(np.flatnonzero(~trusted)) == [broken]
