"""The winner's scores side by side: in the search, on fresh seeds, on the untouched test set."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtri

from studies.analysis.advice import noise_floor
from studies.analysis.decisions import OVERLAP, summarise
from studies.views.words import percent, points

CONFIRMATION = "confirmation"
"""Study user attribute with what `confirm` found."""

Score = dict[str, float | int | None]
"""Keys ``mean, low, high, n``; the ends of the 95 % interval are None where nothing was measured."""


def configuration_hash(params: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a configuration, in hex."""
    return hashlib.sha256(json.dumps(dict(params), sort_keys=True).encode()).hexdigest()


def noise_of(trials: Sequence[FrozenTrial], confirmation: Mapping[str, Any] | None = None) -> float | None:
    """Standard deviation of a single training, measured from repeats; None where there are none.

    A confirmation has it; else it comes from complete trials that share their parameters.
    """
    if confirmation is not None and confirmation["noise"] is not None:
        return float(confirmation["noise"])
    groups: dict[tuple[Any, ...], list[float]] = {}
    for trial in trials:
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            groups.setdefault(tuple(sorted(trial.params.items())), []).append(trial.value)
    return noise_floor(list(groups.values()))


def paired_noise(values: ArrayLike) -> float | None:
    """Standard deviation of a single training, from candidates that were trained on the same seeds.

    What a seed and its split do to all candidates alike is no noise between two trials of a sweep, which
    share their split; so a candidate's and a seed's own level are fitted and what is left is pooled (the
    residual of a two-way layout: Scheffe, 1959, "The Analysis of Variance", ch. 4).

    Parameters
    ----------
    values : array-like of shape (n_candidates, n_seeds)
        Accuracies as fractions; NaN where a candidate was not trained.

    Returns
    -------
    float or None
        A fraction; for one candidate the plain spread over its seeds; None with fewer than two values.
    """
    x = np.asarray(values, dtype=float)
    if len(x) == 1:
        return noise_floor([x[0][np.isfinite(x[0])]])
    rows, columns = np.nonzero(np.isfinite(x))
    design = np.hstack([np.eye(x.shape[0])[rows], np.eye(x.shape[1])[columns]])
    fitted, _, rank, _ = np.linalg.lstsq(design, x[rows, columns])
    freedom = len(rows) - int(rank)
    if freedom <= 0:
        return None
    return float(np.sqrt(np.square(x[rows, columns] - design @ fitted).sum() / freedom))


def confirmed_score(values: ArrayLike) -> Score:
    """Mean over fresh seeds and splits, with an interval about fresh images.

    Splits of the same images overlap, so Student's interval is widened as `statistics.compare` widens its
    test (Nadeau & Bengio, 2003).
    """
    s = summarise(values)
    wider = float(np.sqrt(1.0 + s.n * OVERLAP))
    return _score(s.mean, s.n, None if s.n < 2 else wider * (s.high - s.mean))


def measured_score(values: ArrayLike, *, images: int, noise: float | None) -> Score:
    """Mean of models that were judged on the same images, with an interval about fresh images.

    Parameters
    ----------
    values : array-like of shape (n,)
        Accuracies as fractions.
    images : int
        Number of images that judged them. Their choice adds ``p (1 - p) / images`` to the variance, however
        many models are averaged.
    noise : float or None
        Standard deviation of a single training; several values bring their own.
    """
    s = summarise(values)
    chance = float(ndtri(0.975)) ** 2 * s.mean * (1.0 - s.mean) / images
    if s.n > 1:
        return _score(s.mean, s.n, float(np.hypot(np.sqrt(chance), s.high - s.mean)))
    if noise is None:
        return _score(s.mean, 1, None)
    return _score(s.mean, 1, float(np.sqrt(chance + (ndtri(0.975) * noise) ** 2)))


def _score(mean: float, n: int, half: float | None) -> Score:
    if half is None:
        return {"mean": mean, "low": None, "high": None, "n": n}
    return {"mean": mean, "low": max(0.0, mean - half), "high": min(1.0, mean + half), "n": n}


def scores_of(
    trial: FrozenTrial,
    trials: Sequence[FrozenTrial],
    confirmation: Mapping[str, Any] | None,
    openings: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Collect a trial's scores.

    Parameters
    ----------
    trial : FrozenTrial
        The winner.
    trials : sequence of FrozenTrial
        All trials of the study.
    confirmation : mapping or None
        What `confirm` left in the study.
    openings : sequence of mapping
        The recorded openings of the test set.

    Returns
    -------
    dict
        Keys ``trial, search, confirmed, test, flattery``: three `Score`, None where there is none, and by how
        much the search score exceeds the confirmed one.
    """
    noise = noise_of(trials, confirmation)
    search = _score(float(trial.value or 0.0), 1, None)
    confirmed = test = None
    if confirmation is not None:
        search = measured_score([trial.value or 0.0], images=confirmation["validation_images"], noise=noise)
        same = [c for c in confirmation["candidates"] if c["params"] == trial.params and c["values"]]
        confirmed = confirmed_score(same[0]["values"]) if same else None
    tested = [o for o in openings if o["configuration"] == configuration_hash(trial.params)]
    if tested and tested[-1].get("test_accuracies"):
        test = measured_score(tested[-1]["test_accuracies"], images=tested[-1]["images"], noise=noise)
    return {
        "trial": trial.number,
        "search": search,
        "confirmed": confirmed,
        "test": test,
        "flattery": None
        if confirmed is None
        else float(trial.value or 0.0) - float(confirmed["mean"] or 0.0),
    }


def flattery_sentence(scores: Mapping[str, Any]) -> str | None:
    """Say whether the search score flattered; None without a confirmation."""
    if scores["flattery"] is None:
        return None
    if scores["flattery"] > 0:
        return (
            f"The search score flatters trial {scores['trial']} by {points(scores['flattery'])}:"
            " it was picked as the best of many."
        )
    return (
        f"Fresh seeds score trial {scores['trial']} {points(-scores['flattery'])} higher than the search did."
    )


def difference_within_noise(noise: float) -> float:
    """Return the difference that two equal single trainings exceed in 5 % of cases."""
    return float(ndtri(0.975) * np.sqrt(2.0) * noise)


def score_rows(scores: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the scores as rows of text: what was scored, the mean, its 95 % interval."""
    rows = []
    for key, words in (
        ("search", "in the search"),
        ("confirmed", "confirmed, fresh seeds"),
        ("test", "untouched test set"),
    ):
        score = scores[key]
        if score is None:
            rows.append((words, "not yet", ""))
            continue
        rows.append((f"{words} ({score['n']})", percent(score["mean"]), interval(score)))
    return rows


def interval(score: Mapping[str, Any]) -> str:
    """Return a score's 95 % interval as text, empty where nothing was measured."""
    if score["low"] is None:
        return ""
    return f"{100 * score['low']:.2f} .. {percent(score['high'])}"


def noise_sentence(noise: float | None) -> str:
    """Say how large the noise is, and which differences it makes by itself."""
    if noise is None:
        return (
            "The noise of a training has not been measured: python sweep.py confirm repeats the top trials."
        )
    return (
        f"A single training varies by {points(noise)} (standard deviation, from repeats): trials less than"
        f" {points(difference_within_noise(noise))} apart may well be equal."
    )
