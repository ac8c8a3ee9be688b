"""The one-factor experiments as a study: the trainings that it must hold, and what they say."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.hyperparameters import Hyperparameters
from studies.analysis.decisions import Summary, compare, summarise
from studies.execution.objective import enqueued
from studies.experiments.results import summarise as summarise_study
from studies.space import DEFAULT_SPACE, Space
from studies.storage.database import FACTS
from studies.views.figures.marginals import Trend, effects_info
from studies.views.figures.one_factor import (
    EXPERIMENTS,
    ControlledInfo,
    Experiment,
    configurations,
    controlled_info,
)

EXPERIMENT = "experiment"
"""Fact by which the experiments' study is known."""

MEASURES = {
    "holdout": "validation accuracy of the last epoch",
    "report": "accuracy on the TEST set of the best epoch",
}
"""What a trial's value is, by protocol."""


def study_name(base: str, protocol: str) -> str:
    """Return the name of the experiments' own study beside a sweep's."""
    return f"{base}-effects" if protocol == "holdout" else f"{base}-effects-{protocol}"


def experiment_space() -> Space:
    """Return ranges that just hold the experiments' values; fixed hyperparameters have a single one."""
    space: dict[str, Any] = {}
    for name, wide in DEFAULT_SPACE.items():
        values = [getattr(h, name) for h in configurations()]
        space[name] = type(wide)(min(values), max(values), log=wide.log)
    return space


def enqueue_missing(study: Study, n_seeds: int) -> int:
    """Let every training wait that the study does not hold yet, and return how many it shall hold.

    Each configuration is trained with the seeds 0, 1, ...: the same ones for all, so that differences are
    paired. Call it under the coordinator's exclusive right.

    Parameters
    ----------
    study : Study
    n_seeds : int
        Seeds per configuration; a study that was started with more keeps its number.
    """
    held = {enqueued(t) for t in study.get_trials(deepcopy=False) if t.state != TrialState.FAIL}
    n_seeds = max([n_seeds, *(seed + 1 for _, seed in held)])
    for seed in range(n_seeds):
        for h in configurations():
            if (h, seed) not in held:
                study.enqueue_trial(asdict(h), user_attrs={"seed": seed})
    return n_seeds * len(configurations())


def nothing_waits(trials: Sequence[FrozenTrial]) -> str | None:
    """Tell why no further training may be started: the sampler must not add one of its own."""
    if any(t.state == TrialState.WAITING for t in trials):
        return None
    reason = next((t.user_attrs.get("reason") for t in reversed(trials) if t.state == TrialState.FAIL), None)
    return f"some trainings failed ({reason}); the same command tries them again"


@dataclass(frozen=True)
class Run:
    """One training: its accuracies as fractions.

    Parameters
    ----------
    value : float
        The trial's value, by the protocol.
    best, last : float
        Accuracy of the best epoch and of the last.
    """

    value: float
    best: float
    last: float


def runs_of(trials: Sequence[FrozenTrial]) -> dict[tuple[Hyperparameters, int], Run]:
    """Return the complete trainings by configuration and seed."""
    runs = {}
    for t in trials:
        if t.state == TrialState.COMPLETE and t.value is not None:
            epochs = t.intermediate_values
            runs[enqueued(t)] = Run(t.value, max(epochs.values()), epochs[max(epochs)])
    return runs


def is_experiments(study: Study) -> bool:
    """Tell whether a study is one of these."""
    return EXPERIMENT in study.user_attrs.get(FACTS, {})


def study_info(study: Study) -> ControlledInfo:
    """Return what the figure shows of an experiments' study."""
    runs = runs_of(study.get_trials(deepcopy=False))
    protocol = study.user_attrs[FACTS]["protocol"]
    return controlled_info({key: run.value for key, run in runs.items()}, protocol=protocol)


def findings(study: Study) -> dict[str, Any]:
    """Return what an experiments' study says, as JSON values; accuracies are fractions.

    Returns
    -------
    dict
        Per factor a list of ``{value, mean, std, n, low, high, values, seeds, diverged, best_epoch,
        last_epoch}``; ``std``, ``low`` and ``high`` are None for one seed. A value all of whose trainings
        diverged has ``n`` 0 and no mean; one without trainings is left out. ``tests`` has, per factor, the
        sentence and, from two seeds on, the corrected p-value, the best value and all values that it does
        not beat. Besides ``study, view, protocol, measure, data, epochs, n_trials, reported``.
    """
    trials = study.get_trials(deepcopy=False)
    summary = summarise_study(study)
    runs = runs_of(trials)
    diverged = {enqueued(t) for t in trials if t.state == TrialState.PRUNED}
    info = study_info(study)
    result: dict[str, Any] = {
        "study": study.study_name,
        "view": "controlled: one factor at a time, the others fixed as in the report",
        "protocol": info.protocol,
        "measure": MEASURES[info.protocol],
        **{key: summary[key] for key in ("data", "epochs", "n_trials")},
    }
    for e in info.experiments:
        result[e.factor] = _levels(e, runs, diverged)
    result["tests"] = {e.factor: _test(e, result[e.factor]) for e in info.experiments}
    result["reported"] = {
        e.factor: {"value": _plain(e.reported[0]), "accuracy": e.reported[1]}
        for e in info.experiments
        if e.reported is not None
    }
    return result


def _levels(
    e: Experiment,
    runs: dict[tuple[Hyperparameters, int], Run],
    diverged: set[tuple[Hyperparameters, int]],
) -> list[dict[str, Any]]:
    levels = {level.value: level for level in e.levels}
    rows: list[dict[str, Any]] = []
    for h in EXPERIMENTS[e.factor]:
        level = levels.get(getattr(h, e.factor))
        n_diverged = sum(configuration == h for configuration, _ in diverged)
        if level is None:
            if n_diverged:
                nothing = dict.fromkeys(("mean", "std", "low", "high", "best_epoch", "last_epoch"))
                value = _plain(getattr(h, e.factor))
                rows.append(
                    {"value": value, **nothing, "n": 0, "values": [], "seeds": [], "diverged": n_diverged}
                )
            continue
        seeds = sorted(seed for configuration, seed in runs if configuration == h)
        own = [runs[h, seed] for seed in seeds]
        rows.append(
            {
                "value": _plain(level.value),
                **summary_as_json(Summary(level.mean, level.std, level.n, level.low, level.high)),
                "values": level.accuracies,
                "seeds": seeds,
                "diverged": n_diverged,
                "best_epoch": summary_as_json(summarise([run.best for run in own])),
                "last_epoch": summary_as_json(summarise([run.last for run in own])),
            }
        )
    return rows


def _test(e: Experiment, levels: list[dict[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {"sentence": e.sentence}
    levels = [level for level in levels if level["n"]]
    if e.test is not None:
        shared = sorted(set.intersection(*(set(level["seeds"]) for level in levels)))
        table = [[level["values"][level["seeds"].index(seed)] for seed in shared] for level in levels]
        # All were trained on the same rows: nothing is resampled, and the verdict is one about these images.
        verdict = compare(table, overlap=0.0)
        result |= {
            "p_value": e.test.p_value,
            "larger_than_noise": e.test.real,
            "largest_difference": e.test.largest_difference,
            "best": levels[verdict.winner]["value"],
            "not_beaten_by_the_best": sorted(levels[i]["value"] for i in verdict.contenders),
            "seeds": len(shared),
        }
    return result


def marginal_findings(study: Study) -> dict[str, Any] | None:
    """Return the effects that an ordinary sweep lets one expect, as JSON values; None with too few trials.

    Returns
    -------
    dict or None
        Per factor, ``averaged`` and ``tuned``: lists of ``{value, mean, low, high}``, the accuracy expected
        at each value when the other hyperparameters are averaged over, or tuned, with its 95 % band.
    """
    info = effects_info(study.get_trials(deepcopy=False))
    panels = {p.name: (p.average, p.tuned) for p in info.panels}
    if not panels or any(trend is None for trends in panels.values() for trend in trends):
        return None
    return {
        "study": study.study_name,
        "view": "marginal: expected from the sweep's trials, the others averaged over or tuned",
        **{
            name: {"averaged": _trend(average), "tuned": _trend(tuned)}
            for name, (average, tuned) in panels.items()
        },
    }


def _trend(trend: Trend | None) -> list[dict[str, float]]:
    assert trend is not None
    return [
        {"value": value, "mean": mean / 100, "low": low / 100, "high": high / 100}
        for value, mean, low, high in zip(trend.grid, trend.mean, trend.low, trend.high, strict=True)
    ]


def summary_as_json(s: Summary) -> dict[str, Any]:
    """Return a summary with None for what one value cannot give."""
    return {key: None if math.isnan(value) else value for key, value in asdict(s).items()}


def _plain(value: float) -> float:
    return int(value) if value >= 1 and float(value).is_integer() else value
