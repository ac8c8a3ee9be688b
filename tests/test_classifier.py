"""The network as a scikit-learn classifier: scikit-learn's own checks, and what they do not ask."""

import pickle
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from conftest import ROOT
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fcnet import FullyConnectedClassifier, Model
from studies.space import START

IRIS = load_iris(return_X_y=True)
DIGITS = load_digits(return_X_y=True)


VARIANTS = [{}, {"components": 2, "whitening": 0.5}, {"components": None, "whitening": 0.0, "momentum": 0.9}]


@parametrize_with_checks([FullyConnectedClassifier(**settings) for settings in VARIANTS])
def test_scikit_learn_finds_nothing_to_mend(estimator, check):
    check(estimator)


def test_the_defaults_are_where_a_sweep_starts_with_smaller_batches():
    start = asdict(replace(START, batch_size=16))
    assert FullyConnectedClassifier().get_params().items() >= start.items()


def test_the_package_is_imported_without_scikit_learn_until_the_classifier_is_asked_for():
    code = (
        "import sys, fcnet; from fcnet import Training; print('sklearn' in sys.modules);"
        "fcnet.FullyConnectedClassifier; print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_it_is_searched_in_a_pipeline_with_numbers_of_any_kind():
    pipeline = make_pipeline(StandardScaler(), FullyConnectedClassifier(random_state=0, epochs=40))
    grid = {
        "fullyconnectedclassifier__hidden_units": np.array([4, 8]),
        "fullyconnectedclassifier__learning_rate": np.array([0.1], np.float32),
    }
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(*IRIS)
    assert search.best_score_ > 0.8
    assert search.best_params_.keys() == grid.keys()


def test_a_pickled_classifier_predicts_the_same_and_goes_on_the_same():
    X, y = IRIS
    first = FullyConnectedClassifier(random_state=0, epochs=3, components=3, warm_start=True).fit(X, y)
    second = pickle.loads(pickle.dumps(first))
    assert np.array_equal(first.predict_proba(X), second.predict_proba(X))
    first.fit(X, y)
    second.fit(X, y)
    assert np.array_equal(first.predict_proba(X), second.predict_proba(X))
    assert len(first.loss_curve_) == 6


def test_labels_may_be_words_and_probabilities_are_those_of_the_saved_model(tmp_path):
    X, y = IRIS
    names = np.array(["setosa", "versicolor", "virginica"])
    classifier = FullyConnectedClassifier(random_state=0).fit(X, names[y])
    assert classifier.classes_.tolist() == names.tolist()
    assert set(classifier.predict(X)) <= {*names}
    classifier.model_.save(tmp_path / "model.safetensors")
    loaded = Model.load(tmp_path / "model.safetensors")
    assert loaded.class_names == tuple(names)
    assert classifier.predict_proba(X) == pytest.approx(loaded.probabilities(X), abs=1e-5)


@pytest.mark.parametrize("components", [None, 3])
def test_going_on_continues_the_training_and_beginning_anew_forgets_it(components):
    X, y = IRIS
    settings = {"random_state": 0, "epochs": 2, "learning_rate": 0.01, "components": components}
    once = FullyConnectedClassifier(**settings).fit(X, y)
    again = FullyConnectedClassifier(**settings).fit(X, y).fit(X, y)
    assert again.loss_curve_ == once.loss_curve_
    warm = FullyConnectedClassifier(**settings, warm_start=True).fit(X, y).fit(X, y)
    assert warm.loss_curve_[:2] == once.loss_curve_
    assert warm.loss_curve_[2] < once.loss_curve_[1]


@pytest.mark.parametrize("components", [None, 20])
def test_rows_may_come_in_parts(components):
    X, y = DIGITS
    classifier = FullyConnectedClassifier(random_state=0, components=components)
    for epoch in range(4):
        for part in np.array_split(np.random.default_rng(epoch).permutation(len(y)), 3):
            classifier.partial_fit(X[part], y[part], classes=np.arange(10))
    assert classifier.score(X, y) > 0.95
    assert len(classifier.loss_curve_) == 12


def test_a_first_part_may_lack_classes():
    X, y = IRIS
    classifier = FullyConnectedClassifier(random_state=0).partial_fit(X[:60], y[:60], classes=[0, 1, 2])
    assert classifier.predict_proba(X).shape == (150, 3)


def test_small_data_and_large_hyperparameters_fit_together():
    X, y = IRIS
    large = FullyConnectedClassifier(batch_size=10_000, components=500, learning_rate=0.5, random_state=0)
    assert large.set_params(epochs=100).fit(X, y).score(X, y) > 0.9
    few = FullyConnectedClassifier(components=4, random_state=0).fit(X[[0, 50]], y[[0, 50]])
    assert few.predict(X[[0, 50]]).tolist() == [0, 1]
    alike = FullyConnectedClassifier(components=1).fit(np.ones((6, 2)), [0, 1] * 3)
    assert alike.predict_proba([[1, 1]]) == pytest.approx(np.full((1, 2), 0.5), abs=0.1)


def test_mirror_images_help_where_classes_are_symmetric():
    rng = np.random.default_rng(0)
    images, y = rng.normal(size=(300, 4, 5)), rng.integers(2, size=300)
    images[y == 1, 1, 1] += 4  # at the left alone; in the test rows at the right
    X, mirrored = images.reshape(300, 20), images[..., ::-1].reshape(300, 20)
    plain = FullyConnectedClassifier(random_state=0).fit(X, y)
    both = clone(plain).set_params(mirror=True, image_shape=(4, 5)).fit(X, y)
    assert both.score(mirrored, y) > 0.85 > plain.score(mirrored, y)


def test_images_of_bytes_are_taken_as_they_are():
    X = (np.random.default_rng(0).random((40, 6)) * 255).astype(np.uint8)
    X[:20, 0], X[20:, 0] = 10, 240
    y = np.repeat(["no", "yes"], 20)
    assert cross_val_score(FullyConnectedClassifier(random_state=0), X, y, cv=2).mean() > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0, but it must be a whole number of at least 1"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast', but it must be a number"),
        ({"momentum": 1}, r"momentum is 1, but it must be in \[0, 1\)"),
        ({"epochs": 0}, "epochs is 0, but it must be a whole number of at least 1"),
        ({"mirror": True}, "mirror is True, but image_shape does not say how a row is an image"),
        ({"image_shape": (3, 3)}, r"image_shape is \(3, 3\), but an image has 4 values"),
        ({"learning_rate": 10, "momentum": 0.99}, "diverged .*: choose a smaller learning_rate than 10"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(settings, message):
    with pytest.raises(ValueError, match=message):
        FullyConnectedClassifier(random_state=0, **{"n_layers": 5, **settings}).fit(*IRIS)


def test_what_cannot_go_on_is_said_in_a_sentence():
    X, y = IRIS
    classifier = FullyConnectedClassifier(random_state=0, epochs=1, warm_start=True).fit(X, y)
    before = classifier.predict_proba(X)
    with pytest.raises(ValueError, match="y holds other classes than before: set warm_start=False"):
        classifier.fit(X, y % 2)
    with pytest.raises(ValueError, match="hidden_units was changed: a trained network cannot go on"):
        clone(classifier).fit(X, y).set_params(hidden_units=3).fit(X, y)
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        FullyConnectedClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match=r"classes is \[0 1\], but it was \[0 1 2\] on the first call"):
        classifier.partial_fit(X, y % 2, classes=[0, 1])
    with pytest.raises(ValueError, match="y holds 7, which is none of the classes"):
        classifier.partial_fit(X, np.full(150, 7))
    with pytest.raises(ValueError, match="every value must be below 1e15"):
        classifier.predict(X * 1e20)
    assert np.array_equal(classifier.predict_proba(X), before)
