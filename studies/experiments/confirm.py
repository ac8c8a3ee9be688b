"""Confirmation: the top trials on fresh, paired seeds, and a verdict that is right about noise."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from fcnet.data import Dataset, Split, shared_split
from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from studies.analysis.decisions import compare, still_in_the_race
from studies.analysis.scores import CONFIRMATION, confirmed_score, paired_noise
from studies.dashboard.publishing import publish, publish_note
from studies.execution.backend import Backend
from studies.execution.objective import RECORD, Objective, enqueued
from studies.execution.runner import FINISHED, Progress, Sweep
from studies.experiments.effects import nothing_waits
from studies.experiments.results import DATA_NAME, DATA_SOURCE, baseline_trial, require_best
from studies.storage.database import FACTS, open_study
from studies.storage.ownership import Coordinator, coordinate
from studies.storage.retrying import PatientStorage

CONFIRMS = "confirms"
"""Fact of a study of confirmation runs: the name of the study whose trials it confirms."""

_STREAM = 0xC0  # keeps the confirmation's seeds apart from those of the sweep and of the final train


def runs_name(study: str) -> str:
    """Return the name of the study that keeps a study's confirmation runs."""
    return f"{study}-confirm"


def confirmation_seeds(n: int) -> list[int]:
    """Return fresh seeds, that no trial of a sweep has; more seeds go on where fewer ended."""
    state = np.random.SeedSequence([0, _STREAM], spawn_key=(_STREAM,)).generate_state(n)
    return [int(value) for value in state]


def choose(trials: Sequence[FrozenTrial], top: int) -> list[FrozenTrial]:
    """Return the best trial of each of the `top` best configurations, and the baseline's."""
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    best: dict[Hyperparameters, FrozenTrial] = {}
    for trial in sorted(complete, key=lambda t: (-(t.value or 0.0), t.number)):
        best.setdefault(Hyperparameters(**trial.params), trial)
    chosen = list(best.values())[:top]
    report = baseline_trial(trials)
    if report is not None and best[Hyperparameters(**report.params)] not in chosen:
        chosen.append(best[Hyperparameters(**report.params)])
    return chosen


def confirm(
    study: Study,
    dataset: Dataset,
    storage: PatientStorage,
    backend: Backend,
    *,
    top: int = 5,
    n_seeds: int = 5,
    show: Callable[[Progress], None] = lambda _: None,
) -> dict[str, Any]:
    """Train the top configurations on fresh seeds, seed by seed, and judge them.

    For each seed, every candidate has the same initial random stream and the same new division into training
    and validation images. A candidate that can no longer win gets no further seeds. The runs are kept in a
    study of their own, so that the same command goes on after an interruption, and more seeds add to it.

    Parameters
    ----------
    study : Study
        The searched study; the verdict becomes its user attribute "confirmation".
    dataset : Dataset
        Its data.
    storage : PatientStorage
        Its database.
    backend : Backend
        Where training runs.
    top : int, default=5
        Number of distinct configurations, the best first; the baseline comes on top.
    n_seeds : int, default=5
        Fresh seeds, at least 2.
    show : callable, optional
        Takes the progress, a few times a second.

    Returns
    -------
    dict
        Keys ``study, candidates, verdict, sentence, p_value, seeds, winner, cheapest, more_seeds, noise,
        validation_images, looks, time``.

    Raises
    ------
    UserError
        If there is nothing to confirm, a training fails, or no candidate could be trained on every seed.
    Interrupted
        If the user stopped it; what is trained is kept.
    """
    if CONFIRMS in study.user_attrs[FACTS]:
        raise UserError(
            f"the study {study.study_name!r} holds confirmation runs itself:"
            f" name the searched one, --study {study.user_attrs[FACTS][CONFIRMS]}"
        )
    require_best(study)
    chosen = choose(study.get_trials(deepcopy=False), top)
    facts = {**study.user_attrs[FACTS], CONFIRMS: study.study_name}
    runs = open_study(storage, runs_name(study.study_name), facts=facts)
    runs.sampler = RandomSampler(seed=0)  # never asked: all parameters are given
    with coordinate(storage, runs) as coordinator:
        for name in (DATA_NAME, DATA_SOURCE):
            if runs.user_attrs.get(name) != study.user_attrs.get(name):
                runs.set_user_attr(name, study.user_attrs.get(name))
        coordinator.recover()
        race = _Race(runs, coordinator, backend, dataset, chosen=chosen, show=show)
        values = race.run(confirmation_seeds(n_seeds))
        record = _conclude(study, chosen, values, race)
        study.set_user_attr(CONFIRMATION, record)
        publish(study)
        publish_note(
            runs,
            f"# {runs.study_name}\n\nThe top trials of the study {study.study_name}, trained again on fresh"
            f" seeds and splits.\n\n{record['sentence']}\n",
        )
    return record


class _Race:
    """The trainings of all candidates, seed by seed."""

    def __init__(
        self,
        runs: Study,
        coordinator: Coordinator,
        backend: Backend,
        dataset: Dataset,
        *,
        chosen: Sequence[FrozenTrial],
        show: Callable[[Progress], None],
    ) -> None:
        self.runs, self.coordinator, self.backend, self.dataset = runs, coordinator, backend, dataset
        self.chosen, self.configurations = chosen, [Hyperparameters(**t.params) for t in chosen]
        self.show = show
        self._began, self._held = time.monotonic(), self._count(FINISHED)

    def run(self, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return accuracies of shape (n_candidates, n_seeds), NaN where a candidate had left or diverged."""
        values = np.empty((len(self.chosen), 0))
        for n, seed in enumerate(seeds):
            # The look after n seeds may spend 1 / (n (n - 1)) of the chance of a false farewell: 1 in all.
            racing = still_in_the_race(values, looks=max(1, n * (n - 1)))
            if n >= 2 and racing.sum() <= 1 < len(self.chosen):
                break
            self._train(seed, racing, rounds_left=len(seeds) - n)
            found = self._found()
            column = [found.get((h, seed), np.nan) for h in self.configurations]
            values = np.column_stack([values, np.where(racing, column, np.nan)])
        return values

    def _train(self, seed: int, racing: NDArray[np.bool_], *, rounds_left: int) -> None:
        """Train all racing candidates with one seed, as far as that is not done."""
        wanted = [
            int(i) for i in np.flatnonzero(racing) if (self.configurations[i], seed) not in self._found()
        ]
        if not wanted:
            return
        shared_split(self.dataset, seed=seed)  # prepared once, before all workers want it
        with self.coordinator.exclusive():
            held = {enqueued(t) for t in self.runs.get_trials(deepcopy=False) if t.state != TrialState.FAIL}
            for i in wanted:
                if (self.configurations[i], seed) not in held:
                    attrs = {"seed": seed, "split_seed": seed, "origin": self.chosen[i].number}
                    self.runs.enqueue_trial(asdict(self.configurations[i]), user_attrs=attrs)
        later = (rounds_left - 1) * int(racing.sum())
        sweep = Sweep(
            self.runs,
            self.coordinator,
            self._objective,
            self.backend,
            total=self._count((*FINISHED, TrialState.RUNNING, TrialState.WAITING)),
            is_enough=nothing_waits,
            show=lambda progress: self.show(
                replace(
                    progress,
                    total=progress.total + later,
                    begun=self._held,
                    seconds=time.monotonic() - self._began,
                )
            ),
        )
        sweep.run()
        if any((self.configurations[i], seed) not in self._found() for i in wanted):
            raise UserError(f"the confirmation is not complete: {sweep.ended_because}")

    def _objective(self, trial: Trial) -> float:
        """Train on the split of the trial's own seed."""
        objective = Objective(
            self.backend,
            split=shared_split(self.dataset, seed=trial.user_attrs["split_seed"]),
            epochs=self.runs.user_attrs[FACTS]["epochs"],
            seed=0,
            space=self.chosen[0].distributions,  # type: ignore[arg-type]  # those of the sweep's own space
            may_prune=False,
        )
        return objective(trial)

    def costs(self) -> list[float]:
        """Return the median seconds of each candidate's trainings."""
        seconds: dict[Hyperparameters, list[float]] = {h: [] for h in self.configurations}
        for trial in self.runs.get_trials(deepcopy=False):
            configuration, _ = enqueued(trial)
            if trial.state == TrialState.COMPLETE and configuration in seconds:
                epochs = trial.system_attrs[RECORD]["epochs"]
                seconds[configuration].append(sum(epoch[-1] for epoch in epochs))
        return [float(np.median(seconds[h])) if seconds[h] else float("inf") for h in self.configurations]

    def validation_images(self, seed: int) -> int:
        """Return how many images judge a training."""
        part = Split.open(shared_split(self.dataset, seed=seed)).validation
        assert part is not None
        return len(part.labels)

    def _found(self) -> dict[tuple[Hyperparameters, int], float]:
        """Return the accuracy of each finished training; NaN for one that diverged."""
        return {
            enqueued(t): np.nan if t.state == TrialState.PRUNED or t.value is None else t.value
            for t in self.runs.get_trials(deepcopy=False)
            if t.state in FINISHED
        }

    def _count(self, states: Sequence[TrialState]) -> int:
        return sum(t.state in states for t in self.runs.get_trials(deepcopy=False))


def _conclude(
    study: Study, chosen: Sequence[FrozenTrial], values: NDArray[np.float64], race: _Race
) -> dict[str, Any]:
    """Judge the trainings; the result is made of JSON values alone."""
    if not np.isfinite(values).all(axis=1).any():
        raise UserError(
            "no candidate could be trained on every seed without diverging: search again with a narrower"
            " --range learning_rate=LOW:HIGH"
        )
    seeds = confirmation_seeds(values.shape[1])
    before = study.user_attrs.get(CONFIRMATION)
    # Each verdict that was asked on more seeds is a further chance to be fooled.
    looks = [n for n in (before or {}).get("looks", []) if n != len(seeds)] + [len(seeds)]
    costs = race.costs()
    verdict = compare(values, costs=costs, look=len(looks))
    report = baseline_trial(chosen)
    names = [f"trial {t.number}" + (" (the baseline)" if t is report else "") for t in chosen]
    numbers = [t.number for t in chosen]
    return {
        "study": study.study_name,
        "candidates": [
            _candidate(t, row, cost, t is report) for t, row, cost in zip(chosen, values, costs, strict=True)
        ],
        "verdict": verdict.kind,
        "sentence": verdict.sentence(names),
        "p_value": verdict.p_value,
        "seeds": seeds,
        "winner": numbers[verdict.winner],
        "cheapest": numbers[verdict.cheapest],
        "more_seeds": verdict.more_seeds,
        "noise": paired_noise(values),
        "validation_images": race.validation_images(seeds[0]),
        "looks": looks,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _candidate(
    trial: FrozenTrial, row: NDArray[np.float64], cost: float, is_baseline: bool
) -> dict[str, Any]:
    values = [float(value) for value in row[np.isfinite(row)]]
    score = confirmed_score(values) if values else {"mean": None, "low": None, "high": None, "n": 0}
    return {
        "trial": trial.number,
        "baseline": is_baseline,
        "params": trial.params,
        "search": trial.value,
        "values": values,
        **score,
        "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "seconds": cost if np.isfinite(cost) else None,
    }
