"""Measure what a user waits for in a study of 10,000 trials of 20 epochs each.

``python -m benchmarks.stress.load --trials 10000 --epochs 20`` writes such a study straight into the tables,
then times ``best``, the proposal of the next trial, publishing, and the dashboard's first page: a table with
the peak memory of each.
"""

import argparse
import json
import math
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import numpy as np
from optuna.distributions import CategoricalDistribution, distribution_to_json
from optuna.storages._rdb.models import BaseModel
from sqlalchemy import insert

from benchmarks.machine import describe
from studies.ranges import describe as describe_space
from studies.record import Facts, Source, trained, write_source
from studies.samplers import make_sampler
from studies.space import DEFAULT_SPACE, around, suggest
from studies.storage.database import connect
from studies.storage.ownership import coordinate
from studies.storage.study import load_study, open_study

Rows = dict[str, list[dict[str, Any]]]

_PROPOSED = around(DEFAULT_SPACE, 3072)
_TABLES = BaseModel.metadata.tables
_WRITTEN = (
    "trials",
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_user_attributes",
    "trial_system_attributes",
)
_CHUNK = 500  # trials per insertion


def fill(url: str, n_trials: int, epochs: int, *, rng: np.random.Generator) -> None:
    """Make a study, with every fourth trial pruned, in the rows that a sweep would have left."""
    facts = Facts(
        data="0" * 64,
        data_name="made up",
        protocol="holdout",
        epochs=epochs,
        space=describe_space(DEFAULT_SPACE),
    )
    storage = connect(url, create=True)
    study = open_study(storage, "sweep", facts=facts)
    write_source(study, Source("made-up.npz"), "made up")
    for first in range(0, n_trials, _CHUNK):
        rows: Rows = {name: [] for name in _WRITTEN}
        for number in range(first, min(first + _CHUNK, n_trials)):
            _add_trial(rows, study._study_id, number, epochs, rng)
        with storage.engine.begin() as connection:
            for name, content in rows.items():
                if content:
                    connection.execute(insert(_TABLES[name]), content)
    assert trained(study.get_trials(deepcopy=False)[-1]) is not None  # as the program reads it
    storage.close()


def _add_trial(rows: Rows, study_id: int, number: int, epochs: int, rng: np.random.Generator) -> None:
    identity, accuracy = number + 1, 0.84
    start = datetime(2026, 1, 1) + timedelta(seconds=number)
    pruned = number % 4 == 3
    rows["trials"].append(
        {
            "trial_id": identity,
            "number": number,
            "study_id": study_id,
            "state": "PRUNED" if pruned else "COMPLETE",
            "datetime_start": start,
            "datetime_complete": start + timedelta(seconds=5),
        }
    )
    for name, distribution in _PROPOSED.items():
        value: Any
        searched = DEFAULT_SPACE[name]
        if isinstance(searched, CategoricalDistribution):
            value = searched.choices[0]
        else:
            low, high = (math.log(b) if searched.log else b for b in (searched.low, searched.high))
            place = rng.random()
            value = low + place * (high - low)
            value = math.exp(value) if searched.log else value
            if isinstance(searched.low, int):
                value = round(value)
            value = min(max(value, searched.low), searched.high)
            accuracy -= 0.08 * (place - 0.6) ** 2
        rows["trial_params"].append(
            {
                "trial_id": identity,
                "param_name": name,
                "param_value": distribution.to_internal_repr(value),
                "distribution_json": distribution_to_json(distribution),
            }
        )
    n_epochs = max(1, epochs // 4) if pruned else epochs
    curve = [accuracy * (1 - 0.3 * 0.7**e) + rng.normal(0, 0.004) for e in range(n_epochs)]
    for step, value in enumerate(curve):
        rows["trial_intermediate_values"].append(
            {
                "trial_id": identity,
                "step": step,
                "intermediate_value": value,
                "intermediate_value_type": "FINITE",
            }
        )
    rows["trial_values"].append(
        {"trial_id": identity, "objective": 0, "value": curve[-1], "value_type": "FINITE"}
    )
    record = {
        "epochs": [[e, *rng.random(6)] for e in range(n_epochs)],
        "digest": None if pruned else "0" * 64,
        "environment": {
            "numpy": "2.4",
            "scipy": "1.17",
            "blas": "openblas 0.3.30 (Haswell)",
            "blas_threads": "1",
        },
    }
    attributes = (("user", "seed", number), ("system", "record", record), ("system", "coordinator", "0" * 16))
    for kind, key, content in attributes:
        rows[f"trial_{kind}_attributes"].append(
            {"trial_id": identity, "key": key, "value_json": json.dumps(content)}
        )


def best(url: str) -> Callable[[], object]:
    """``python sweep.py best``, without the start of Python."""
    from studies.experiments.results import summarise

    return lambda: summarise(load_study(connect(url, create=False), "sweep"))


def propose(url: str, sampler: str) -> Callable[[], object]:
    """The next trial: started, and all of its parameters proposed."""
    storage = connect(url, create=False)
    study = load_study(storage, "sweep")
    study.sampler = make_sampler(sampler, seed=0, n_trials=1, space=DEFAULT_SPACE)

    def ask() -> None:
        with coordinate(storage, study) as coordinator:
            trial = coordinator.ask(lambda _: True)
            assert trial is not None
            suggest(trial, _PROPOSED)

    return ask


def publishing(url: str) -> Callable[[], object]:
    """The figures and the note, as after a sweep."""
    from studies.dashboard.publishing import publish

    study = load_study(connect(url, create=False), "sweep")
    return lambda: publish(study)


def dashboard(url: str) -> Callable[[], object]:
    """All that the dashboard's study page asks for first, through the program's own guard."""
    from studies.dashboard.serving import application

    storage = connect(url, create=False)
    study_id = load_study(storage, "sweep")._study_id
    app = application(storage, allowed_hosts={"127.0.0.1"})

    def get() -> None:
        for path in ("/api/studies", f"/api/studies/{study_id}"):
            status: list[str] = []
            asked = {"PATH_INFO": path, "QUERY_STRING": "after=0", "HTTP_HOST": "127.0.0.1"}
            setup_testing_defaults(asked)
            for _ in app(asked, lambda s, *_, told=status: told.append(s)):  # type: ignore[arg-type]
                pass
            assert status[0].startswith("200"), status

    return get


def _measure(action: Callable[..., Callable[[], object]], arguments: tuple[str, ...], answer: Any) -> None:
    do = action(*arguments)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        do()
        seconds.append(time.perf_counter() - began)
    answer.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        url = f"sqlite:///{folder}/sweep.db"
        began = time.perf_counter()
        fill(url, args.trials, args.epochs, rng=np.random.default_rng(0))
        size = Path(folder, "sweep.db").stat().st_size / 2**20
        print(f"{args.trials} trials x {args.epochs} epochs: {size:.0f} MiB,", end=" ")
        print(f"made in {time.perf_counter() - began:.0f} s\n")
        print("| what | first time, s | again, s | peak memory, MiB |\n| --- | ---: | ---: | ---: |")
        context = multiprocessing.get_context("spawn")  # every row in a process of its own
        for name, action, arguments in (
            ("best", best, (url,)),
            ("next trial, tpe", propose, (url, "tpe")),
            ("next trial, random", propose, (url, "random")),
            ("publishing", publishing, (url,)),
            ("dashboard's study page", dashboard, (url,)),
        ):
            ours, theirs = context.Pipe()
            process = context.Process(target=_measure, args=(action, arguments, theirs))
            process.start()
            theirs.close()
            if not ours.poll(600):
                process.kill()
                raise SystemExit(f"{name} took more than 600 s")
            seconds, peak = ours.recv()
            process.join(60)
            print(f"| {name} | {seconds[0]:.2f} | {min(seconds[1:]):.2f} | {peak:.0f} |", flush=True)
    for key, value in describe(["optuna", "optuna-dashboard", "sqlalchemy"]).items():
        print(f"\n{key}: {value}")


if __name__ == "__main__":
    main()
