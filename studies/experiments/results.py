"""What a study has found: the plain facts behind ``best``, the dashboard's note and the end of a sweep."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from fcnet.errors import UserError
from studies.analysis.scores import CONFIRMATION, noise_of, scores_of
from studies.record import is_confirmation, is_opening
from studies.space import BASELINE
from studies.storage.database import FACTS

DATA_NAME = "data_name"
DATA_SOURCE = "data_source"
TEST_OPENINGS = "test_openings"
FINAL = "final"
PROTOCOL_WORDS = {
    "holdout": "trained on 80 % of the training images, judged on the other 20 %, never on the test set",
    "report": "judged on the TEST set at every trial, as the course report did: the score flatters",
}


def check_kept(study: Study) -> None:
    """Refuse a study in which what this program keeps about it is missing or of another form.

    Raises
    ------
    UserError
        If it was made by another program, or somebody changed it.
    """
    attrs = study.user_attrs
    facts = attrs.get(FACTS)
    if not isinstance(facts, dict) or study.directions != [StudyDirection.MAXIMIZE]:
        raise UserError(
            f"the study {study.study_name!r} was not made by this program: choose another --study NAME"
        )
    source, openings = attrs.get(DATA_SOURCE, {}), attrs.get(TEST_OPENINGS, [])
    n_trials = len(study.get_trials(deepcopy=False))
    sound = {
        FACTS: isinstance(facts.get("data"), str)
        and isinstance(facts.get("protocol"), str)
        and type(facts.get("epochs")) is int
        and facts["epochs"] > 0,
        DATA_NAME: isinstance(attrs.get(DATA_NAME, ""), str),
        DATA_SOURCE: isinstance(source, dict)
        and isinstance(source.get("source", ""), str)
        and isinstance(source.get("classes", []), list)
        and all(isinstance(name, str) for name in source.get("classes", [])),
        TEST_OPENINGS: isinstance(openings, list) and all(is_opening(each) for each in openings),
        CONFIRMATION: is_confirmation(attrs.get(CONFIRMATION), n_trials=n_trials),
    }
    for name, is_sound in sound.items():
        if not is_sound:
            raise UserError(
                f"the attribute {name!r} of the study {study.study_name!r} is not as this program writes it:"
                " restore a copy of the database or start another study with --study NAME"
            )


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the complete trial with the highest value, the earliest of equals; None without any."""
    complete = (trial for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None)
    return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)


def require_best(study: Study) -> FrozenTrial:
    """Return the best trial of a study.

    Raises
    ------
    UserError
        If no trial is complete.
    """
    best = best_trial(study.get_trials(deepcopy=False))
    if best is None:
        raise UserError(
            f"the study {study.study_name!r} has no complete trial yet: run python sweep.py first"
        )
    return best


def require_trial(study: Study, number: int) -> FrozenTrial:
    """Return a complete trial by its number.

    Raises
    ------
    UserError
        If there is no such trial, or it is not complete.
    """
    for trial in study.get_trials(deepcopy=False):
        if trial.number == number and trial.state == TrialState.COMPLETE:
            return trial
    raise UserError(
        f"the study {study.study_name!r} has no complete trial {number}:"
        " python sweep.py best names the best one"
    )


def baseline_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the first complete trial with the course report's configuration."""
    report = asdict(BASELINE)
    return next((t for t in trials if t.state == TrialState.COMPLETE and t.params == report), None)


def require_winner(study: Study) -> tuple[FrozenTrial, str]:
    """Return the trial to be trained in the end, and a sentence that says on what ground.

    Raises
    ------
    UserError
        If no trial is complete.
    """
    best = require_best(study)
    confirmation = study.user_attrs.get(CONFIRMATION)
    if confirmation is None:
        return best, (
            f"Trial {best.number} has the best search score; it was not confirmed:"
            " python sweep.py confirm tells luck from merit."
        )
    winner = study.get_trials(deepcopy=False)[confirmation["winner"]]
    rank = "is the confirmed winner" if confirmation["verdict"] == "beats" else "has the best confirmed score"
    ground = f"Trial {winner.number} {rank}. {confirmation['sentence']}"
    if best.params not in [candidate["params"] for candidate in confirmation["candidates"]]:
        ground += f" Trial {best.number} scored better since; it was not confirmed."
    return winner, ground


def scores(study: Study, trial: FrozenTrial) -> dict[str, Any]:
    """Collect a trial's scores in the search, on fresh seeds and on the test set, see `scores_of`."""
    attrs = study.user_attrs
    trials = study.get_trials(deepcopy=False)
    return scores_of(trial, trials, attrs.get(CONFIRMATION), attrs.get(TEST_OPENINGS, []))


def summarise(study: Study) -> dict[str, Any]:
    """Collect a study's result.

    Returns
    -------
    dict
        Keys ``study, trial, value, params, n_trials, data, protocol, epochs, baseline, test_openings,
        noise, confirmation, ground, scores``; what needs a complete trial or repeats is None without.
    """
    trials = study.get_trials(deepcopy=False)
    states = Counter(trial.state for trial in trials)
    best, baseline = best_trial(trials), baseline_trial(trials)
    attrs = study.user_attrs
    facts = attrs.get(FACTS, {})
    confirmation = attrs.get(CONFIRMATION)
    winner, ground = (None, None) if best is None else require_winner(study)
    return {
        "study": study.study_name,
        "trial": None if best is None else best.number,
        "value": None if best is None else best.value,
        "params": None if best is None else best.params,
        "n_trials": {
            "complete": states[TrialState.COMPLETE],
            "pruned": states[TrialState.PRUNED],
            "failed": states[TrialState.FAIL],
            "running": states[TrialState.RUNNING],
            "waiting": states[TrialState.WAITING],
        },
        "data": {"name": attrs.get(DATA_NAME), "fingerprint": facts.get("data")},
        "protocol": facts.get("protocol"),
        "epochs": facts.get("epochs"),
        "baseline": None if baseline is None else {"trial": baseline.number, "value": baseline.value},
        "test_openings": len(attrs.get(TEST_OPENINGS, [])),
        "noise": noise_of(trials, confirmation),
        "confirmation": confirmation,
        "ground": ground,
        "scores": None if winner is None else scores(study, winner),
    }
