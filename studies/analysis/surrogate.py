"""A surrogate of validation accuracy over the search space: what each hyperparameter does, with a band."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.optimize import minimize
from scipy.stats import qmc
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel

from studies.analysis.advice import MIN_TRIALS
from studies.analysis.axis import Array, Axis
from studies.analysis.thinning import thinned

MAX_TRIALS = 400
"""At most this many trainings condition the surrogate: the best quarter and an even pick of the rest."""

_FIT_TRIALS = 120  # the kernel's nine numbers are learnt from this many; the cost grows with the cube
_KERNELS = 8  # plausible kernels drawn from the posterior of the kernel's numbers
_PAIRS = 12  # antithetic pairs of draws of each kernel
_FEATURES = 256  # random Fourier features of one kernel's draws
_SAMPLE = 128  # quasi-random settings of the other hyperparameters


@dataclass(frozen=True)
class Effect:
    """Expected validation accuracy along one hyperparameter, with its pointwise 95 % band.

    Parameters
    ----------
    grid : ndarray of shape (n,)
        Values of the hyperparameter.
    mean, low, high : ndarray of shape (n,)
        Validation accuracy as a fraction.
    behind : ndarray of shape (n,)
        By how much each lies below the value with the highest mean.
    told : ndarray of bool of shape (n,)
        Whether it lies below in 97.5 % of the draws: as values share their draws, closer than by the bands.
    """

    grid: Array
    mean: Array
    low: Array
    high: Array
    behind: Array
    told: NDArray[np.bool_]


class Surrogate:
    """Gaussian process over the unit cube of the hyperparameters.

    An anisotropic Matern 5/2 kernel plus white noise (Rasmussen & Williams, 2006, eq. 4.17), its numbers
    drawn from their posterior under weak log-normal priors. Values far below the bulk (diverged or hopeless
    trainings) are compressed logarithmically before the fit, isolated ones are left out, and the answers are
    mapped back: the top, where the choice is made, keeps its scale. Bands come from joint draws of whole
    functions (Wilson et al., 2020, "Efficiently sampling functions from Gaussian process posteriors"), so
    that averages account for the correlation between neighbouring points.

    Parameters
    ----------
    params : sequence of mappings
        Hyperparameters of each finished training; every mapping holds every name in `axes`.
    values : sequence of float
        Validation accuracy of each, as a fraction.
    axes : mapping of str to Axis
        The ranges that were searched. Names that never vary in `params` are left out of the fit.
    seed : int, default=0
        Seed of the draws; the same input gives the same answer.

    Raises
    ------
    ValueError
        If there are fewer than `MIN_TRIALS` trainings, or values that are not finite.
    """

    def __init__(
        self,
        params: Sequence[Mapping[str, float]],
        values: Sequence[float],
        axes: Mapping[str, Axis],
        *,
        seed: int = 0,
    ) -> None:
        y = np.asarray(values, dtype=float)
        if len(y) < MIN_TRIALS or len(y) != len(params):
            raise ValueError(
                f"there are {len(params)} params and {len(y)} values, but it must be as many, and at least"
                f" {MIN_TRIALS}"
            )
        if not np.isfinite(y).all():
            raise ValueError("values holds numbers that are not finite")
        keep = thinned(y, MAX_TRIALS)
        self._seed = seed
        self._last: tuple[str, tuple[float, ...], Array] | None = None  # both effects ask for the same draws
        self._top, self._bottom = float(y.max()), float(y.min())
        self._axes = dict(axes)
        columns = {name: axis.to_unit([params[i][name] for i in keep]) for name, axis in self._axes.items()}
        self._names = [name for name, column in columns.items() if np.ptp(column) > 0]
        self._x = np.column_stack([columns[name] for name in self._names] or [np.zeros(len(keep))])
        self._warp = _Warp.of(y)
        z = self._warp.forward(y[keep])
        self._offset, self._scale = float(z.mean()), float(z.std()) or 1.0
        self._z = (z - self._offset) / self._scale
        rng = np.random.default_rng(seed)
        few = rng.permutation(len(keep))[:_FIT_TRIALS]
        trusted = _explained(self._x, y[keep], self._warp.knee, few, rng=rng)
        few = few[trusted[few]]
        self._models = [
            GaussianProcessRegressor(kernel, optimizer=None).fit(self._x[trusted], self._z[trusted])
            for kernel in _plausible_kernels(self._x[few], self._z[few], rng=rng)
        ]
        # The usual loss of degrees of freedom: about two numbers per hyperparameter are learnt from the data.
        self._widen = np.sqrt(len(keep) / max(len(keep) - 2 * self._x.shape[1] - 2, 4))
        self._draws = [_posterior_draws(model, rng=rng) for model in self._models]

    def mean_effect(self, name: str, grid: Sequence[float] | Array) -> Effect:
        """Accuracy expected at each value, averaged over the other hyperparameters' ranges."""
        return _effect(grid, self._drawn(name, tuple(grid))[:, :_SAMPLE].mean(axis=1))

    def best_effect(self, name: str, grid: Sequence[float] | Array) -> Effect:
        """Accuracy expected at each value with the others at the setting ranked best there.

        The setting is chosen by the expected accuracy, so noise is not mistaken for merit: the maximum of
        each draw would promise more than any setting holds. The candidates are a quasi-random sample of the
        other hyperparameters and their settings in the best trials.
        """
        drawn = self._drawn(name, tuple(grid))
        chosen = drawn.mean(axis=2).argmax(axis=1)
        return _effect(grid, drawn[np.arange(len(chosen)), chosen])

    def chances(self, params: Sequence[Mapping[str, float]]) -> Array:
        """Return the chance of each setting to be the best of them: its share of the draws, shape (n,).

        What all settings around it scored speaks for one, too: it is not the highest score that is most
        likely to be the best, but a high one among high ones.
        """
        x = np.column_stack(
            [self._axes[name].to_unit([p[name] for p in params]) for name in self._names]
            or [np.zeros(len(params))]
        )
        best = self._draw(x).argmax(axis=0)
        return np.bincount(best, minlength=len(params)) / len(best)

    @cached_property
    def _others(self) -> Array:
        """Settings in the unit cube: `_SAMPLE` quasi-random ones, then those of the best trials."""
        sample = qmc.Sobol(self._x.shape[1], rng=self._seed).random(_SAMPLE)
        sample = np.column_stack(
            [self._axes[name].snap(u) for name, u in zip(self._names, sample.T, strict=False)] or [sample]
        )
        return np.vstack([sample, self._x[np.argsort(self._z)[-_SAMPLE // 4 :]]])

    def _drawn(self, name: str, grid: tuple[float, ...]) -> Array:
        """Accuracy in every draw at every setting of the others: shape (n_grid, n_others, n_draws)."""
        if self._last is None or self._last[:2] != (name, grid):
            rows = []
            for u in self._axes[name].to_unit(grid):
                x = self._others.copy()
                if name in self._names:
                    x[:, self._names.index(name)] = u
                rows.append(self._draw(x))
            self._last = (name, grid, np.array(rows))
        return self._last[2]

    def _draw(self, x: Array) -> Array:
        """Accuracy at `x` (n, n_names) in every draw: shape (n, n_draws)."""
        z = np.hstack([draw(x) for draw in self._draws]) * self._scale + self._offset
        centre = z.mean(axis=1, keepdims=True)
        z = centre + self._widen * (z - centre)
        return self._warp.back(z).clip(self._bottom - (self._top - self._bottom), 1.0)


def _posterior_draws(
    model: GaussianProcessRegressor, *, rng: np.random.Generator
) -> Callable[[Array], Array]:
    """Draw functions: random Fourier features for the prior, plus an exact update by the data."""
    kernel, noise = model.kernel_.k1, model.kernel_.k2.noise_level
    x, z = model.X_train_, model.y_train_
    lengths = np.broadcast_to(kernel.k2.length_scale, x.shape[1])[:, None]
    # The spectral density of a Matern 5/2 kernel is Student's t with five degrees of freedom.
    spread = np.sqrt(5.0 / rng.chisquare(5.0, _FEATURES))
    frequencies = rng.standard_normal((x.shape[1], _FEATURES)) * spread / lengths
    phases = rng.uniform(0.0, 2.0 * np.pi, _FEATURES)
    weights = rng.standard_normal((_FEATURES, _PAIRS)) * np.sqrt(2.0 * kernel.k1.constant_value / _FEATURES)
    weights = np.hstack([weights, -weights])  # pairs of opposite draws average to the exact mean
    errors = rng.standard_normal((len(z), _PAIRS)) * np.sqrt(noise)
    residual = z[:, None] - np.cos(x @ frequencies + phases) @ weights - np.hstack([errors, -errors])
    updates = cho_solve((model.L_, True), residual)

    def draw(at: Array) -> Array:
        return np.asarray(np.cos(at @ frequencies + phases) @ weights + kernel(at, x) @ updates)

    return draw


def _effect(grid: Sequence[float] | Array, drawn: Array) -> Effect:
    """Summarise draws of shape (n_grid, n_draws)."""
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    mean = drawn.mean(axis=1)
    behind = drawn[mean.argmax()] - drawn
    told = np.quantile(behind, 0.025, axis=1) > 0
    return Effect(np.asarray(grid, dtype=float), mean, low, high, behind.mean(axis=1), told)


def _plausible_kernels(x: Array, z: Array, *, rng: np.random.Generator) -> list[Kernel]:
    """Draw amplitude, length scales and noise from their posterior by Laplace's approximation.

    One best kernel alone makes the bands too narrow with few trials. The likelihood is maximised here
    rather than by the regressor, which has no priors and warns when a hyperparameter that does not matter
    drives its length scale to the bound.
    """
    dimensions = x.shape[1]
    kernel = ConstantKernel(1.0) * Matern(np.ones(dimensions), nu=2.5) + WhiteKernel(0.1)
    model = GaussianProcessRegressor(kernel, optimizer=None).fit(x, z)
    centre = np.log(np.concatenate([[1.0], np.ones(dimensions), [0.2]]))
    width = np.concatenate([[2.0], np.ones(dimensions), [1.5]])

    def loss(theta: Array) -> tuple[float, Array]:
        value, gradient = model.log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=False)
        step = (theta - centre) / width
        return -value + 0.5 * float(step @ step), -gradient + step / width

    bounds = np.column_stack([centre - 4 * width, centre + 4 * width])
    best = minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}).x
    h = 0.05
    rows = [loss(best + h * e)[1] - loss(best - h * e)[1] for e in np.eye(len(best))]
    precision, axes = np.linalg.eigh((np.array(rows) + np.array(rows).T) / (4 * h))
    steps = (
        axes
        / np.sqrt(np.maximum(precision, 1.0 / width.max() ** 2))
        @ rng.standard_normal((len(best), _KERNELS))
    )
    return [kernel.clone_with_theta((best + s).clip(*bounds.T)) for s in steps.T]


def _explained(
    x: Array, y: Array, knee: float, few: NDArray[np.intp], *, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which trainings condition the fit: all but hopeless ones whose neighbours are not poor.

    A training that broke amid good ones would pass for noise everywhere; a region of poor trainings explains
    itself and stays. What the neighbours promise is the leave-one-out mean (Rasmussen & Williams, 2006,
    eq. 5.12) of a first fit to values cut off at the knee.
    """
    good: NDArray[np.bool_] = y >= knee
    if good.all():
        return good
    z = np.maximum(y, knee)
    z = (z - z.mean()) / z.std()
    kernel = _plausible_kernels(x[few], z[few], rng=rng)[0]
    model = GaussianProcessRegressor(kernel, optimizer=None).fit(x, z)
    inverse = cho_solve((model.L_, True), np.eye(len(z)))
    promised = z - model.alpha_ / np.diag(inverse)
    poor: NDArray[np.bool_] = promised < np.quantile(z, 0.25)
    return good | poor


@dataclass(frozen=True)
class _Warp:
    """Leaves values above `knee` alone and compresses those below it logarithmically, reversibly."""

    knee: float
    scale: float

    @classmethod
    def of(cls, y: Array) -> "_Warp":
        """Place the knee at Tukey's lower fence, the lower quartile less 1.5 interquartile ranges."""
        lower, upper = np.quantile(y, [0.25, 0.75])
        width = float(upper - lower) or float(np.ptp(y)) or 1.0
        return cls(float(lower) - 1.5 * width, 0.5 * width)

    def forward(self, y: Array) -> Array:
        below = np.maximum(self.knee - y, 0.0)
        return np.where(y < self.knee, self.knee - self.scale * np.log1p(below / self.scale), y)

    def back(self, z: Array) -> Array:
        below = np.minimum(np.maximum(self.knee - z, 0.0) / self.scale, 50.0)
        return np.where(z < self.knee, self.knee - self.scale * np.expm1(below), z)
