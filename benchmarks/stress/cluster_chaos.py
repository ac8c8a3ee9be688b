"""A sweep on a cluster whose workers are killed and added at random: is the total exact, and none run twice?

    python -m benchmarks.stress.cluster_chaos                # 200 trials
    python -m benchmarks.stress.cluster_chaos --trials 40 --seed 3 --minutes 2

Every worker is a process that Dask's own command starts. The sweep is ended, and counts as failed, when the
time is up.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from benchmarks.stress.local_cluster import LocalCluster
from studies.api import search
from studies.execution.cluster import DaskCluster
from studies.execution.experiment import FINISHED
from studies.execution.progress import Progress
from studies.experiments.plan import Plan


def origins(trials: list[FrozenTrial]) -> list[int]:
    """Return, for each finished trial, the number of the one that it is a retry of, or its own."""
    found = []
    for trial in trials:
        if trial.state in FINISHED:
            origin = trial
            while (earlier := origin.user_attrs.get("retry_of")) is not None:
                origin = trials[earlier]
            found.append(origin.number)
    return found


def run(args: argparse.Namespace, folder: Path) -> bool:
    """Run the sweep, tell what happened, and return whether all is as it must be."""
    rng = random.Random(args.seed)
    drawn = np.random.default_rng(args.seed)
    images, labels = drawn.integers(0, 256, (3000, 256), dtype=np.uint8), np.arange(3000) % 2
    data = folder / "images.npz"
    np.savez(data, train_data=images, train_labels=labels, test_data=images, test_labels=labels)
    plan = Plan(
        url=f"sqlite:///{folder / 'sweep.db'}",
        trials=args.trials,
        data=str(data),
        epochs=10,
        seed=args.seed,
        timeout=60 * args.minutes,
    )
    with LocalCluster(folder) as local, DaskCluster(local.address, say=print) as cluster:
        workers = [local.add_worker(threads=rng.choice((1, 2))) for _ in range(3)]
        killed, next_act = 0, 0.0

        def act(progress: Progress) -> None:
            nonlocal killed, next_act
            if progress.seconds < next_act or progress.finished == 0:
                return
            next_act = progress.seconds + rng.uniform(0.5, 3.0)
            # A worker takes seconds to start: one that never trained is no loss to anybody.
            if len(workers) > 4 or (cluster.slots > 1 and rng.random() < 0.5):
                workers.pop(rng.randrange(len(workers))).kill()
                killed += 1
            else:
                workers.append(local.add_worker(threads=rng.choice((1, 2))))

        began = time.monotonic()
        study = search(plan, backend=cluster, say=print, show=act)
    trials = study.get_trials(deepcopy=False)
    found = origins(trials)
    lost = sum(trial.state == TrialState.FAIL for trial in trials)
    left = sum(trial.state == TrialState.RUNNING for trial in trials)
    print(
        f"{len(found)} of {args.trials} trials finished in {time.monotonic() - began:.0f} s;"
        f" {len(found) - len(set(found))} twice, {left} left running;"
        f" {killed} workers killed, which interrupted {lost} trials"
    )
    return len(found) == args.trials == len(set(found)) and left == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=10.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if run(args, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
