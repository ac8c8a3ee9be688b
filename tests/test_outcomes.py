"""Outcomes are kept with their images, and correct the winner's score."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri
from scripted import easiest
from simulated import at_most
from test_data_split import dataset, raw, rows

from fcnet.errors import UserError
from studies.analysis.selection import corrected_score
from studies.experiments.results import scores_of, summarise
from studies.record import Outcomes, best_trial, read, trained
from studies.views.sentences import score_rows, sureness


@pytest.mark.parametrize("classes", [2, 3])
def test_the_folds_of_a_seed_hold_every_image_once(classes: int) -> None:
    data = dataset(n=57, classes=classes)
    splits = [data.split(seed=3, fold=fold) for fold in range(5)]
    held = [rows(raw(split, split.validation.x)) for split in splits if split.validation is not None]
    assert sum(map(len, held)) == 57
    assert set.union(*held) == rows(data.images)
    assert held[0] == rows(raw(data.split(seed=3), data.split(seed=3).validation.x))  # type: ignore[union-attr]
    for split in splits:
        assert np.ptp(np.bincount(split.validation.labels)) <= 1  # type: ignore[union-attr]
    for fold in (-1, 5):
        with pytest.raises(ValueError, match=f"fold is {fold}, but it must be from 0 to 4"):
            data.split(fold=fold)


@pytest.mark.parametrize("n", [1, 8, 13, 2000])
def test_outcomes_survive_their_packing(n: int) -> None:
    right = np.random.default_rng(0).random(n) < 0.8
    kept = Outcomes.of(right, split_seed=7, fold=2)
    np.testing.assert_array_equal(kept.mask(), right)
    assert (kept.images, len(kept.right)) == (n, -(-n // 8))
    with pytest.raises(ValueError, match="bytes for"):
        Outcomes(split_seed=0, fold=0, images=n + 8, right=kept.right)


def test_each_complete_trial_keeps_which_images_it_got_right(world):  # type: ignore[no-untyped-def]
    for trial in world.study.get_trials():
        outcomes = trained(trial).outcomes
        assert (outcomes.split_seed, outcomes.fold, outcomes.images) == (0, 0, 2000)
        np.testing.assert_array_equal(outcomes.mask(), easiest(trial.value, 2000))
        assert len(json.dumps(trial.system_attrs["record"]["outcomes"])) < 420


def test_trials_without_outcomes_are_read_and_not_corrected(world):  # type: ignore[no-untyped-def]
    study = world.study
    trials = study.get_trials()
    assert scores_of(best_trial(trials), trials, read(study)).corrected.n == 5
    for trial in trials:
        del trial.system_attrs["record"]["outcomes"]  # as version 0.1.0 wrote it
        assert trained(trial).outcomes is None
    assert scores_of(best_trial(trials), trials, read(study)).corrected is None
    trials[0].system_attrs["record"]["outcomes"] = {"images": 3}
    with pytest.raises(UserError, match="what the study kept of trial 0 is not as this program writes it"):
        trained(trials[0])


def test_only_the_best_trial_is_corrected_and_only_by_its_own_images(world):  # type: ignore[no-untyped-def]
    study = world.study
    trials = study.get_trials()
    assert scores_of(trials[1], trials, read(study)).corrected is None
    corrected = summarise(study).scores.corrected
    assert corrected.low < corrected.mean < corrected.high


def test_the_best_is_not_corrected_by_a_part_of_those_that_it_was_picked_from(world):  # type: ignore[no-untyped-def]
    study = world.study
    trials = [copy.deepcopy(trial) for trial in study.get_trials() for _ in range(2)]
    trials[0].system_attrs["record"]["outcomes"]["split_seed"] = 1  # one of ten was judged by other images
    scores = scores_of(best_trial(trials), trials, read(study))
    assert scores.corrected.n == 9
    del trials[1].system_attrs["record"]["outcomes"]  # as `--from` takes it over and cuts it
    scores = scores_of(best_trial(trials), trials, read(study))
    assert scores.corrected is None
    assert [words for words, *_ in score_rows(scores) if "corrected" in words] == []
    assert sureness(replace(summarise(study), scores=scores)).endswith("is not known until it is confirmed.")


@pytest.mark.parametrize(("n", "spread", "noise"), [(20, 0.0, 0.0), (100, 0.01, 0.0), (100, 0.005, 0.006)])
def test_the_corrected_score_is_right_where_the_found_one_flatters(
    n: int, spread: float, noise: float
) -> None:
    rng = np.random.default_rng(0)
    images, own = 2000, 0.5
    width, flattery, error, held = np.sqrt(1 + own**2), [], [], []
    for _ in range(60):
        means = 0.84 + spread * rng.standard_normal(n)
        scored = means + noise * rng.standard_normal(n)
        seen = rng.standard_normal(images) + own * rng.standard_normal((n, images))
        right = seen < width * ndtri(scored)[:, None]
        truth = means[right.mean(axis=1).argmax()]
        score = corrected_score(right, noise=noise)
        flattery.append(right.mean(axis=1).max() - truth)
        error.append(score.mean - truth)
        held.append(score.low <= truth <= score.high)
    print(np.mean(flattery), np.mean(error), np.std(error), np.mean(held))
    assert np.mean(flattery) > 0.004
    assert abs(np.mean(error)) < 0.002
    assert np.mean(~np.array(held)) <= at_most(0.05, 60)


def test_hopeless_trials_add_nothing_to_what_is_taken_off() -> None:
    rng, images = np.random.default_rng(0), 300
    alone, beside = [], []
    for _ in range(30):
        seen = rng.standard_normal(images) + 0.5 * rng.standard_normal((18, images))
        means = np.concatenate([np.full(12, 0.96), [0.33, 0.5, 0.6, 0.7, 0.8, 0.85]])
        right = seen < np.sqrt(1.25) * ndtri(means)[:, None]
        alone.append(corrected_score(right[:12]).mean)
        beside.append(corrected_score(right).mean)
    assert np.mean(beside) == pytest.approx(np.mean(alone), abs=0.003)


def test_a_corrected_score_of_few_images_that_are_all_right_is_not_certain() -> None:
    score = corrected_score(np.ones((20, 30), dtype=np.bool_))
    assert (score.mean, score.low, score.high, score.n) == (1.0, pytest.approx(0.8865, abs=1e-4), 1.0, 20)


def test_the_picking_flatters_and_never_lowers() -> None:
    for seed in range(20):
        right = np.random.default_rng(seed).random((3, 40)) < np.array([[0.5], [0.6], [0.9]])
        assert corrected_score(right, seed=seed).mean <= right.mean(axis=1).max()


def test_a_corrected_score_stays_a_share_where_few_images_are_all_right() -> None:
    rng = np.random.default_rng(0)
    for seed in range(20):
        right = rng.random((8, 32)) < 0.5
        right[3] = True
        score = corrected_score(right, seed=seed)
        assert 0.0 <= score.low <= score.mean <= score.high <= 1.0
