"""Studies whose trials are made up, as a sweep, its confirmation and its final training leave them."""

from datetime import datetime, timedelta
from math import log10

import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from studies.experiments.results import winner_of
from studies.ranges import describe
from studies.record import (
    ASKED,
    CONFIRMATION,
    FACTS,
    FINAL,
    OPENINGS,
    Accuracies,
    Asked,
    Candidate,
    Confirmation,
    Facts,
    Final,
    Opening,
    Source,
    configuration_hash,
    write,
    write_attribute,
    write_source,
)
from studies.space import DEFAULT_SPACE, around, baseline

NOW = datetime(2026, 5, 4, 12, 0, 0)
ENVIRONMENT = {"numpy": "2.4.0", "blas": "openblas 0.3.30 (SkylakeX)", "machine": "Linux x86_64"}
N_FEATURES = 3072


def quality(p):
    """Accuracy of a configuration on the average: best at a rate of 0.02 and small batches."""
    rate = 1.6 * (log10(p["learning_rate"]) + 1.7) ** 2
    batch = 0.9 * max(log10(p["batch_size"] / 48), 0) ** 2 * 6
    units = 1.1 * max(log10(160 / p["hidden_units"]), 0)
    return 0.852 - 0.01 * (rate + batch + units + 1.2 * p["momentum"] ** 6 + 0.3 * abs(p["n_layers"] - 3))


def drawn(rng):
    """Return hyperparameters from the default space."""
    values = {}
    for name, d in DEFAULT_SPACE.items():
        if hasattr(d, "choices"):
            values[name] = d.choices[0]
        else:
            low, high = (log10(d.low), log10(d.high)) if d.log else (d.low, d.high)
            value = rng.uniform(low, high)
            value = 10**value if d.log else value
            values[name] = min(max(round(value), d.low), d.high) if isinstance(d.low, int) else value
    return values


def trial(number, params, *, state, accuracy, epochs, start, seconds, reason="", seed=None):
    """Return a trial as the runner leaves it."""
    whole = 20
    rows = []
    for e in range(epochs):
        learnt = float(1 - 0.6 * np.exp(-e / 5))
        value = 0.5 + (accuracy - 0.5) * learnt
        if e == whole - 1:
            value = accuracy
        rows.append(
            (
                e,
                0.6,
                0.62 - 0.3 * learnt,
                min(value + 0.05 * e / whole, 1),
                0.65 - 0.22 * learnt,
                value,
                seconds / max(epochs, 1),
            )
        )
    record = {
        "epochs": rows,
        "digest": "0" if state == TrialState.COMPLETE else None,
        "environment": ENVIRONMENT,
    }
    finished = state.is_finished()
    made = create_trial(
        state=state,
        value=accuracy if state == TrialState.COMPLETE else None,
        params=params,
        distributions=around(DEFAULT_SPACE, N_FEATURES),
        user_attrs={
            "seed": number * 7919 if seed is None else seed,
            **({"reason": reason} if reason else {}),
        },
        system_attrs={"record": record} if finished and state != TrialState.FAIL else {},
        intermediate_values={row[0]: row[5] for row in rows},
    )
    made.number = number
    made.datetime_start = start
    made.datetime_complete = start + timedelta(seconds=seconds) if finished else None
    return made


def make_study(
    n=40,
    *,
    name="sweep",
    storage=None,
    data="CIFAR-10 airplane/ship",
    metric="accuracy",
    asked=None,
    running=0,
    confirmed=False,
    tested=False,
    diverged=0.05,
    pruned=0.4,
    first="baseline",
    seed=0,
    now=NOW,
):
    """Return a study with `n` finished trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
    facts = Facts(
        data="0123456789abcdef" * 4,
        data_name=data,
        protocol="holdout",
        epochs=20,
        space=describe(DEFAULT_SPACE),
        metric=metric,
    )
    write_attribute(study, FACTS, facts.as_kept())
    write_source(study, Source("cifar10", ["airplane", "ship"]), data)
    write(study, ASKED, Asked(trials=asked or n or 100))
    rng = np.random.default_rng(seed)
    report = baseline(DEFAULT_SPACE, N_FEATURES)
    begin, trials = now - timedelta(seconds=6 * (n + running)), []
    for i in range(n + running):
        params = drawn(rng)
        if i == 0 and first == "baseline":
            params = {name: getattr(report, name) for name in DEFAULT_SPACE}
        accuracy = float(np.clip(quality(params) + 0.004 * rng.standard_normal(), 0.5, 0.99))
        accuracy = 0.81 if i == 0 and first == "baseline" else accuracy
        start, chance = begin + timedelta(seconds=6 * i), rng.random()
        common = {"accuracy": accuracy, "start": start, "seconds": float(rng.uniform(4, 9))}
        if i >= n:
            trials.append(trial(i, params, state=TrialState.RUNNING, epochs=4, **common))
        elif (i or first is None) and chance < diverged:
            why = "the training diverged after 1 epoch: its logits are no longer finite"
            trials.append(trial(i, params, state=TrialState.PRUNED, epochs=1, reason=why, **common))
        elif i and accuracy < 0.84 and chance < pruned + diverged:
            trials.append(
                trial(i, params, state=TrialState.PRUNED, epochs=5, reason="pruned after 5 epochs", **common)
            )
        else:
            trials.append(trial(i, params, state=TrialState.COMPLETE, epochs=20, **common))
    study.add_trials(trials)
    if confirmed:
        _confirm(study, rng)
    if tested:
        _test(study)
    return study


def more_trials(study, n, *, now):
    """Add complete trials that ended just now."""
    rng = np.random.default_rng(1)
    for i in range(n):
        start = now - timedelta(seconds=6 * (n - i))
        study.add_trial(
            trial(
                0, drawn(rng), state=TrialState.COMPLETE, accuracy=0.83, epochs=20, start=start, seconds=5.0
            )
        )


def _confirm(study, rng):
    complete = [t for t in study.get_trials() if t.state == TrialState.COMPLETE]
    top = sorted(complete, key=lambda t: -t.value)[:4]
    candidates = []
    for t in [*top, complete[0]]:
        values = [float(t.value - 0.006 + 0.004 * rng.standard_normal()) for _ in range(5)]
        mean = float(np.mean(values))
        candidates.append(
            Candidate(
                trial=t.number,
                params=t.params,
                search=t.value,
                values=values,
                baseline=t is complete[0],
                mean=mean,
                low=mean - 0.008,
                high=mean + 0.008,
                n=5,
                std=float(np.std(values, ddof=1)),
                seconds=6.2,
            )
        )
    winner = max(candidates, key=lambda c: c.mean)
    sentence = f"Trial {winner.trial} beats the baseline; among the top 4 no difference can be told."
    write(
        study,
        CONFIRMATION,
        Confirmation(
            study=f"{study.study_name}-confirm",
            candidates=candidates,
            verdict="tie",
            sentence=sentence,
            seeds=[11, 12, 13, 14, 15],
            winner=winner.trial,
            cheapest=winner.trial,
            validation_images=2000,
            looks=["tie"],
            p_value=0.2,
            noise=0.0042,
            time="2026-05-04T12:00:00+00:00",
        ),
    )


def _test(study):
    winner, _ = winner_of(study)
    values = [0.851, 0.8465, 0.8485, 0.8520, 0.8490]
    opening = Opening(
        configuration=configuration_hash(winner.params),
        time="2026-05-04T12:00:00+00:00",
        trial=winner.number,
        images=2000,
        test_accuracies=values,
        ensemble_accuracy=0.8615,
        models=list("abcde"),
    )
    write(study, OPENINGS, [opening])
    final = Final(
        trial=winner.number,
        params=winner.params,
        seeds=[1, 2, 3, 4, 5],
        test_accuracy=Accuracies.of(values),
        validation_accuracy=winner.value,
        model="models/sweep/model.safetensors",
        models=[],
        report="x.html",
        test_openings=1,
        configurations_tested_before=0,
        ensemble_accuracy=0.8615,
        ensemble_interval=(0.846, 0.876),
    )
    write(study, FINAL, final)
