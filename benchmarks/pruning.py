"""Which pruner to use by default: replay recorded learning curves under each, many times.

``python -m benchmarks.pruning record --data DATA`` trains random configurations to the end and then the best
of them on fresh seeds; ``python -m benchmarks.pruning replay`` compares pruners on those curves.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, PercentilePruner

from fcnet.data import load, shared_split
from fcnet.errors import Diverged
from fcnet.inputs import n_axes
from studies.execution.backend import Job
from studies.execution.local import ProcessPool
from studies.execution.objective import training_seed
from studies.samplers import make_pruner, make_sampler
from studies.space import BASELINE, DEFAULT_SPACE, around, fitted, suggest

EPOCHS = 20
PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "none": NopPruner,
    "median (as built in)": lambda: make_pruner("median", epochs=EPOCHS),
    "median, from epoch 1": lambda: MedianPruner(n_startup_trials=10, n_warmup_steps=1),
    "median, from epoch 4": lambda: MedianPruner(n_startup_trials=10, n_warmup_steps=4),
    "median, from epoch 8": lambda: MedianPruner(n_startup_trials=10, n_warmup_steps=8),
    "worst quarter": lambda: PercentilePruner(75.0, n_startup_trials=10, n_warmup_steps=4),
    "best quarter": lambda: PercentilePruner(25.0, n_startup_trials=10, n_warmup_steps=4),
    "hyperband (as built in)": lambda: make_pruner("hyperband", epochs=EPOCHS),
    "hyperband, from epoch 5": lambda: HyperbandPruner(min_resource=5, max_resource=EPOCHS),
}


def record(data: str, file: Path, *, n_random: int, n_best: int, n_seeds: int, workers: int) -> None:
    """Train random configurations and the baseline, then the best on fresh seeds, and keep every curve."""
    dataset = load(data)
    n_features = dataset.images.shape[1]
    space = fitted(DEFAULT_SPACE, n_features, image_shape=dataset.image_shape, n_rows=len(dataset.labels))
    study = optuna.create_study(sampler=make_sampler("random", seed=0, n_trials=0, space=space))
    proposed = around(space, n_features)
    configurations = [BASELINE] + [suggest(study.ask(), proposed) for _ in range(n_random - 1)]
    splits = [shared_split(dataset, n_axes=n_axes(h, n_features)) for h in configurations]
    seeds = [training_seed(1, i) for i in range(n_seeds)]
    with ProcessPool(workers) as backend, ThreadPoolExecutor(workers) as threads:

        def curve(job: Job) -> list[tuple[float, float]]:
            """Return accuracy and seconds of each epoch; what diverges stays at chance and costs nothing."""
            epochs = []
            with backend.train(job) as training, contextlib.suppress(Diverged):
                epochs += [(metrics.validation_accuracy, metrics.seconds) for metrics in training]
            print(".", end="", file=sys.stderr, flush=True)
            return epochs + [(0.5, 0.0)] * (EPOCHS - len(epochs))

        jobs = [Job(h, EPOCHS, training_seed(0, i), splits[i]) for i, h in enumerate(configurations)]
        curves = np.array(list(threads.map(curve, jobs)))
        best = np.argsort(-curves[:, -1, 0])[:n_best].tolist()
        repeats = np.array(
            list(
                threads.map(
                    curve, [Job(configurations[i], EPOCHS, s, splits[i]) for i in best for s in seeds]
                )
            )
        )
    truth = repeats[:, -1, 0].reshape(n_best, n_seeds).mean(axis=1)
    file.write_text(
        json.dumps(
            {
                "accuracy": curves[:, :, 0].tolist(),
                "seconds": curves[:, :, 1].tolist(),
                "truth": dict(zip(best, truth.tolist(), strict=True)),
                "n_seeds": n_seeds,
            }
        )
    )


def replay(file: Path, *, n_trials: int, repetitions: int) -> None:
    """Print, for each pruner, the training time and the winner's true accuracy over repeated sweeps."""
    table = json.loads(file.read_text())
    accuracy, seconds = np.array(table["accuracy"]), np.array(table["seconds"])
    truth = {int(i): value for i, value in table["truth"].items()}
    header = f"{repetitions} sweeps of {n_trials} out of {len(accuracy)} configurations"
    print(f"{header}; truth: mean of {table['n_seeds']} fresh seeds")
    print("| pruner | time | of none | pruned | winner's true accuracy | loss against none | truth known |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    reference: tuple[np.ndarray, np.ndarray] | None = None
    for name, make in PRUNERS.items():
        results = [
            _sweep(make(), np.random.default_rng(r).permutation(len(accuracy))[:n_trials], accuracy, seconds)
            for r in range(repetitions)
        ]
        times = np.array([result[0] for result in results])
        pruned = np.mean([result[1] for result in results])
        true = np.array([truth.get(result[2], np.nan) for result in results])
        reference = reference or (times, true)
        loss = reference[1] - true
        error = np.nanstd(loss, ddof=1) / np.sqrt(np.isfinite(loss).sum())
        known = np.isfinite(true).sum()
        print(
            f"| {name} | {times.mean():.0f} s | {np.mean(times / reference[0]):.2f} | {pruned:.0f}"
            f" | {100 * np.nanmean(true):.2f} % | {100 * np.nanmean(loss):+.2f} ± {100 * error:.2f} points"
            f" | {known} |"
        )


def _sweep(
    pruner: BasePruner, order: np.ndarray, accuracy: np.ndarray, seconds: np.ndarray
) -> tuple[float, int, int]:
    """Replay one sweep; return its training time, the number of pruned trials, and the winner."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize", pruner=pruner, study_name=f"replay-{order[0]}-{order[-1]}"
    )
    total, pruned, winner, best = 0.0, 0, -1, -np.inf
    for i in map(int, order):
        trial = study.ask()
        for epoch in range(accuracy.shape[1]):
            total += seconds[i, epoch]
            trial.report(accuracy[i, epoch], epoch)
            if epoch + 1 < accuracy.shape[1] and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                pruned += 1
                break
        else:
            study.tell(trial, accuracy[i, -1])
            if accuracy[i, -1] > best:
                winner, best = i, accuracy[i, -1]
    return total, pruned, winner


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("record", "replay"))
    parser.add_argument("--data", default="auto")
    parser.add_argument("--file", type=Path, default=Path("curves.json"))
    parser.add_argument("--configurations", type=int, default=150)
    parser.add_argument("--best", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--repetitions", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    if args.action == "record":
        record(
            args.data,
            args.file,
            n_random=args.configurations,
            n_best=args.best,
            n_seeds=args.seeds,
            workers=args.workers,
        )
    else:
        replay(args.file, n_trials=args.trials, repetitions=args.repetitions)


if __name__ == "__main__":
    main()
