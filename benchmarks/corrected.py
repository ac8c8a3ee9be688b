"""How far the winner's score is off, as found and as corrected: sweeps with known truth.

``python -m benchmarks.corrected simulated --sweeps 100`` draws outcomes of 20, 100 and 400 trials on 2,000
images, whose true accuracies are equal or differ by one point (standard deviation), in trainings with and
without luck of their own.

``python -m benchmarks.corrected real --sweeps 50`` runs the program's own sweeps, with its default space,
sampler and pruner, each on new rows of a random network's making. The truth is what the winner's parameters
reach on 20,000 further rows, as the mean of ten fresh trainings on the same rows as in the sweep. What the
rows that judge do to everybody alike is taken off the errors, for it is nobody's bias and hides one: how much
better ten trainings of the report's configuration, which nobody picked, do on them than on the further rows.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

import studies
from benchmarks.machine import describe
from fcnet import Hyperparameters, Training, load
from fcnet.blas import one_blas_thread
from fcnet.data import Part, Split
from studies.analysis.selection import corrected_score
from studies.execution.local import ProcessPool
from studies.space import BASELINE

IMAGES = 2_000
_ROWS, _EPOCHS = 4_000, 5  # of a real sweep; a fifth of the rows is set aside, a fifth of the others judges
_OWN = 0.61  # of a trial's view of an image, where what is difficult for all has the standard deviation 1


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("simulated", "real"))
    parser.add_argument("--sweeps", type=int, default=40)
    parser.add_argument("--trials", type=int, nargs="+", default=[20, 100, 400])
    args = parser.parse_args()
    if args.kind == "real":
        real(args.sweeps, args.trials)
    else:
        simulated(args.sweeps, args.trials)
    return 0


def simulated(sweeps: int, n_trials: list[int]) -> None:
    """Print a line for each size, spread and noise of simulated sweeps."""
    rng = np.random.default_rng(0)
    print("| trials | spread | noise | found | corrected | interval holds |")
    print("| ---: " * 6 + "|")
    for trials in n_trials:
        for spread in (0.0, 0.01):
            for noise in (0.0, 0.005):
                rows = np.array([swept(trials, spread, noise, rng) for _ in range(sweeps)])
                print(f"| {trials} | {100 * spread:.1f} | {100 * noise:.1f} | {told(rows)} |", flush=True)


def real(sweeps: int, n_trials: list[int]) -> None:
    """Print a line for each size of real sweeps."""
    print("| trials | complete | found | corrected | interval holds |")
    print("| ---: " * 5 + "|")
    with tempfile.TemporaryDirectory(prefix="corrected-") as folder, ProcessPool(2) as pool:
        for trials in n_trials:
            kept: list[tuple[float, float, bool, int]] = []
            for i in range(sweeps):
                kept.append(ran(Path(folder), trials, i, pool))
                rows = np.array(kept)
                line = f"| {trials} | {rows[:, 3].mean():.0f} | {told(rows)} |"
                print(f"{line} {i + 1} sweeps so far", file=sys.stderr)
            print(line, flush=True)
    print(*describe(("numpy", "optuna")).values(), sep="; ")


def told(rows: NDArray[np.float64]) -> str:
    """Return errors in points with the standard error of their means, and how often the interval holds."""
    means, errors = 100 * rows[:, :2].mean(axis=0), 100 * rows[:, :2].std(axis=0) / np.sqrt(len(rows))
    cells = [f"{mean:+.2f} ± {error:.2f}" for mean, error in zip(means, errors, strict=True)]
    return f"{cells[0]} | {cells[1]} | {100 * rows[:, 2].mean():.0f} %"


def ran(folder: Path, trials: int, seed: int, pool: ProcessPool) -> tuple[float, float, bool, int]:
    """Return what `swept` does of a real sweep, and how many trials were complete."""
    rng = np.random.default_rng(seed)
    x, labels = rows_of_a_network(rng)
    file = folder / f"{seed}.npz"
    np.savez(file, train_data=x[:_ROWS], train_labels=labels[:_ROWS])
    name = f"{trials}-{seed}"
    plan = studies.Plan(
        url=f"sqlite:///{folder}/{name}.db", trials=trials, data=str(file), epochs=_EPOCHS, seed=seed
    )
    summary = studies.summarise(studies.search(plan, backend=pool, show=lambda _: None))
    assert summary.value is not None
    assert summary.params is not None
    assert summary.scores is not None
    score = summary.scores.corrected
    assert score is not None
    assert score.low is not None
    assert score.high is not None
    split = load(str(file)).split()
    fresh = replace(split, validation=Part(split.normalisation.apply(x[_ROWS:]), labels[_ROWS:]))
    with one_blas_thread():
        truth = worth(fresh, Hyperparameters(**summary.params))
        common = worth(split, BASELINE) - worth(fresh, BASELINE)
    held = score.low <= truth <= score.high
    return summary.value - truth - common, score.mean - truth - common, held, summary.n_trials.complete


def worth(split: Split, h: Hyperparameters) -> float:
    """Return the mean validation accuracy of ten trainings."""
    runs = [list(Training(split, h, epochs=_EPOCHS, seed=10**6 + i)) for i in range(10)]
    return float(np.mean([run[-1].validation_accuracy for run in runs]))


def rows_of_a_network(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw rows, and labels by a random network of one hidden layer, of which a tenth are flipped."""
    x = rng.standard_normal((_ROWS + 20_000, 16), dtype=np.float32)
    hidden = np.tanh(x @ rng.standard_normal((16, 12)) / 2)
    score = hidden @ rng.standard_normal(12)
    return x, ((score > np.median(score)) ^ (rng.random(len(x)) < 0.1)).astype(np.int64)


def swept(trials: int, spread: float, noise: float, rng: np.random.Generator) -> tuple[float, float, bool]:
    """Return the errors of the found and of the corrected score, and whether the interval holds the truth."""
    means = np.clip(0.84 + spread * rng.standard_normal(trials), 0.5, 0.99)
    scored = means + noise * rng.standard_normal(trials)
    seen = rng.standard_normal(IMAGES) + _OWN * rng.standard_normal((trials, IMAGES))
    right = seen < np.sqrt(1 + _OWN**2) * ndtri(scored)[:, np.newaxis]
    found = right.mean(axis=1)
    truth = float(means[found.argmax()])
    score = corrected_score(right, noise=noise)
    assert score.low is not None
    assert score.high is not None
    return float(found.max()) - truth, score.mean - truth, score.low <= truth <= score.high


if __name__ == "__main__":
    sys.exit(main())
