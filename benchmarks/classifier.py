"""Measure `FullyConnectedClassifier` beside scikit-learn's `MLPClassifier`, at their defaults and tuned.

Tuned is the best of as many random configurations, by cross-validation on the training rows; then five seeds
are fitted on them and scored on the test rows, of which the tuning knows nothing.
"""

import argparse
import time
import warnings

import numpy as np
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import RandomizedSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fcnet
from benchmarks.machine import describe

SPACES = {
    "fcnet": {
        "batch_size": [16, 32, 64, 128],
        "learning_rate": loguniform(3e-3, 1e-1),
        "hidden_units": [64, 128, 256, 512],
        "n_layers": [2, 3],
        "weight_decay": loguniform(1e-6, 1e-1),
        "components": [None, 256],
        "whitening": [0.0, 0.3],
        "epochs": [20, 60],  # the other one goes on until it learns nothing more, at most 200
    },
    "MLPClassifier": {
        "mlpclassifier__batch_size": [16, 32, 64, 128],
        "mlpclassifier__learning_rate_init": loguniform(1e-4, 1e-2),
        "mlpclassifier__hidden_layer_sizes": [
            *[(64,), (128,), (256,), (512,)],
            *[(64, 64), (128, 128), (256, 256), (512, 512)],
        ],
        "mlpclassifier__alpha": loguniform(1e-6, 1e-1),
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits", help="digits, or what fcnet.load takes")
    parser.add_argument("--tries", type=int, default=20, help="configurations; 0 leaves the tuning out")
    options = parser.parse_args()
    if options.data == "digits":
        X, y = load_digits(return_X_y=True)
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    else:
        data = fcnet.load(options.data)
        (X_train, y_train), (X_test, y_test) = (data.images, data.labels), data.open_test()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name, estimator in (
        ("fcnet", fcnet.FullyConnectedClassifier()),
        ("MLPClassifier", make_pipeline(StandardScaler(), MLPClassifier())),
    ):
        measure(f"{name}, defaults", estimator, (X_train, y_train), (X_test, y_test))
        if options.tries:
            settings = {"n_iter": options.tries, "cv": 3, "n_jobs": 2, "random_state": 0}
            found = RandomizedSearchCV(estimator, SPACES[name], refit=False, **settings).fit(X_train, y_train)
            best = clone(estimator).set_params(**found.best_params_)
            measure(f"{name}, tuned", best, (X_train, y_train), (X_test, y_test))
    print(describe(["numpy", "scikit-learn"]))


def measure(name, estimator, train, test):
    scores, seconds = [], []
    key = "random_state" if "random_state" in estimator.get_params() else "mlpclassifier__random_state"
    for seed in range(5):
        start = time.perf_counter()
        fitted = clone(estimator).set_params(**{key: seed}).fit(*train)
        seconds.append(time.perf_counter() - start)
        scores.append(fitted.score(*test))
    spread = f"{100 * np.mean(scores):.2f} +- {100 * np.std(scores, ddof=1):.2f} %"
    print(f"{name:<24} {spread}  {np.median(seconds):.2f} s", flush=True)


if __name__ == "__main__":
    main()
