"""How far the winner's score is off, as found and as corrected: simulated sweeps with known truth.

``python -m benchmarks.corrected --sweeps 100`` draws sweeps of 20, 100 and 400 trials on 2,000 images, whose
true accuracies are equal or differ by one point (standard deviation), in trainings with and without luck of
their own.
"""

import argparse
import sys

import numpy as np
from scipy.special import ndtri

from studies.analysis.selection import corrected_score

IMAGES = 2_000
_OWN = 0.61  # of a trial's view of an image, where what is difficult for all has the standard deviation 1


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=40)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| trials | spread | noise | found | corrected | interval holds |")
    print("| ---: " * 6 + "|")
    for trials in (20, 100, 400):
        for spread in (0.0, 0.01):
            for noise in (0.0, 0.005):
                rows = np.array([swept(trials, spread, noise, rng) for _ in range(args.sweeps)])
                found, corrected = 100 * rows[:, :2].mean(axis=0)
                error = 100 * rows[:, 1].std() / np.sqrt(args.sweeps)
                print(
                    f"| {trials} | {100 * spread:.1f} | {100 * noise:.1f} | {found:+.2f} |"
                    f" {corrected:+.2f} +- {error:.2f} | {100 * rows[:, 2].mean():.0f} % |",
                    flush=True,
                )
    return 0


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
