"""scikit-learn's successive halving over `MLPClassifier`, two jobs, with and without principal components.

The resource is the number of epochs; candidates as many as the time allows, in brackets of 16 with fresh
draws, of which the best is taken. The fixed validation rows replace cross-validation, which costs five times
as much.
"""

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import loguniform, randint, uniform
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, PredefinedSplit
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

EPOCHS = 20
CANDIDATES = 16


class Layers:
    """Hidden layers of equal width, drawn at random."""

    def rvs(self, random_state: Any = None) -> tuple[int, ...]:
        """Draw some."""
        units = int(loguniform(32, 512).rvs(random_state=random_state))
        return (units,) * int(randint(1, 4).rvs(random_state=random_state))


SPACE = {
    "net__batch_size": randint(16, 257),
    "net__learning_rate_init": loguniform(3e-4, 1e-1),
    "net__hidden_layer_sizes": Layers(),
    "net__momentum": uniform(0.0, 0.98),
    "net__alpha": loguniform(1e-4, 1e1),
}
COMPONENTS = {"pca__n_components": randint(32, 513), "pca__whiten": [False, True]}


def estimator(pca: bool) -> Pipeline:
    """Return the pipeline that is searched."""
    net = MLPClassifier(solver="sgd", nesterovs_momentum=False, max_iter=EPOCHS, random_state=0)
    first = [("pca", PCA(svd_solver="randomized", random_state=0))] if pca else []
    return Pipeline([*first, ("net", net)])


def search(folder: Path, moments: list[float], seed: int, pca: bool = False) -> list[dict[str, Any]]:
    """Search bracket by bracket while another one may be expected to end in time; the best after each."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    start, longest = time.monotonic(), 0.0
    x, x_validation = (np.load(folder / f"x_{part}.npy") for part in ("train", "validation"))
    y, y_validation = (np.load(folder / f"y_{part}.npy") for part in ("train", "validation"))
    split = PredefinedSplit([-1] * len(y) + [0] * len(y_validation))
    best: dict[str, Any] = {"value": 0.0}
    ended: list[dict[str, Any]] = []
    while not ended or time.monotonic() + 0.8 * longest < start + max(moments):
        began = time.monotonic()
        halving = HalvingRandomSearchCV(
            estimator(pca),
            SPACE | (COMPONENTS if pca else {}),
            n_candidates=CANDIDATES,
            resource="net__max_iter",
            min_resources=max(1, EPOCHS // 9),
            max_resources=EPOCHS,
            factor=3,
            cv=split,
            refit=False,
            random_state=100 * seed + len(ended),
            n_jobs=2,
            scoring="accuracy",
        )
        with threadpool_limits(1):
            halving.fit(np.concatenate([x, x_validation]), np.concatenate([y, y_validation]))
        if halving.best_score_ > best["value"]:
            found = {name: plain(value) for name, value in halving.best_params_.items()}
            best = {"value": float(halving.best_score_), **found}
        now = time.monotonic()
        longest = max(longest, now - began)
        ended.append({**best, "seconds": now - start, "trials": CANDIDATES * (len(ended) + 1)})
    return ended


def test(folder: Path, configuration: dict[str, Any], seeds: list[int]) -> list[float]:
    """Train the best on all development rows."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    x, y, x_test, y_test = (
        np.load(folder / f"{kind}_{part}.npy") for part in ("development", "test") for kind in "xy"
    )
    given = {name: value for name, value in configuration.items() if "__" in name}
    given["net__max_iter"] = EPOCHS  # the resource that the halving gave out
    found = []
    with threadpool_limits(1):
        for seed in seeds:
            fitted = estimator(any(name.startswith("pca") for name in given))
            fitted.set_params(**given, net__random_state=seed).fit(x, y)
            found.append(float(fitted.score(x_test, y_test)))
    return found


def plain(value: Any) -> Any:
    """Return a value that JSON knows."""
    return value.item() if hasattr(value, "item") else value
