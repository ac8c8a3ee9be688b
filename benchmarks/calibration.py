"""How often the verdicts are right: `confirm` drawn again and again from a bank of real trainings.

``nice python -m benchmarks.calibration bank.npz`` draws from what `benchmarks.bank` made, with looks and
early farewells as the command has them, and prints one line for each promise. What a configuration is truly
worth is the mean of all of its trainings.
"""

import argparse
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.bank import CONFIGURATIONS
from fcnet.data.holdout import FOLDS
from studies.analysis.budget import MARGIN
from studies.analysis.decisions import MAX_TRAININGS, compare, still_in_the_race, trainings_needed
from studies.analysis.outcomes import Outcomes, difference
from studies.analysis.verdict import Verdict

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Bank:
    """Outcomes of real trainings.

    Parameters
    ----------
    bits : ndarray of uint8, shape (n_configurations, n_partitions, FOLDS, n_seeds, n_bytes)
    finished : ndarray of bool, shape (n_configurations, n_partitions, FOLDS, n_seeds)
        False where a training diverged.
    judged : ndarray of bool, shape (n_partitions, FOLDS, n_images)
    """

    bits: NDArray[np.uint8]
    finished: Mask
    judged: Mask

    @classmethod
    def load(cls, path: Path) -> "Bank":
        """Read what `benchmarks.bank` wrote."""
        with np.load(path) as kept:
            return cls(kept["bits"], kept["finished"], kept["judged"])

    def mask(self, c: int, p: int, fold: int, s: int) -> Mask | None:
        """Return which images a training got right; None if it diverged."""
        if not self.finished[c, p, fold, s]:
            return None
        return np.unpackbits(self.bits[c, p, fold, s], count=int(self.judged[p, fold].sum())).astype(np.bool_)

    def accuracies(self, c: int) -> NDArray[np.float64]:
        """Return the accuracy of each training that did not diverge."""
        keys = [(c, *key) for key in np.ndindex(self.finished.shape[1:])]
        return np.array([mask.mean() for key in keys if (mask := self.mask(*key)) is not None])

    def draw(
        self, candidates: list[int], trainings: int, rng: np.random.Generator, *, diverging: float = 0.0
    ) -> Outcomes:
        """Draw trainings of candidates, paired by partition, fold and seed.

        A configuration that is named again gets other seeds: an equal rival. Of the last candidate, a share
        of the trainings may be taken to diverge.
        """
        nth = [candidates[:i].count(c) for i, c in enumerate(candidates)]
        n_partitions, n_seeds = self.finished.shape[1], self.finished.shape[3]
        partitions = np.concatenate([rng.permutation(n_partitions) for _ in range(-(-trainings // FOLDS))])
        seeds = [rng.permutation(n_seeds) for _ in range(n_partitions * FOLDS)]
        used = [0] * len(seeds)
        masks: list[list[Mask | None]] = [[] for _ in candidates]
        images = []
        for t in range(trainings):
            p, fold = int(partitions[t // FOLDS]), t % FOLDS
            images.append(np.flatnonzero(self.judged[p, fold]))
            key = p * FOLDS + fold
            for row, c, k in zip(masks, candidates, nth, strict=True):
                row.append(self.mask(c, p, fold, seeds[key][(used[key] + k) % n_seeds]))
            used[key] += max(nth) + 1
            if rng.random() < diverging:
                masks[-1][-1] = None
        return Outcomes.of(masks, images)


def confirmed(found: Outcomes, looks: list[int], margin: float) -> list[Verdict | None]:
    """Return the verdict after each number of trainings in `looks`, None where all candidates diverged.

    As the command has it: after each training, whoever can no longer win leaves, and nothing more is trained
    once one candidate is left.
    """
    verdicts: list[Verdict | None] = []
    for look, trainings in enumerate(looks, start=1):
        seen, diverged = raced(_first(found, found.right, trainings))
        try:
            verdicts.append(compare(seen, diverged=diverged, margin=margin, look=look))
        except ValueError:
            verdicts.append(None)
    return verdicts


def raced(found: Outcomes) -> tuple[Outcomes, list[int]]:
    """Return what a race leaves of the outcomes, and who diverged: it is run again without, see `Confirm`."""
    diverged = np.zeros(len(found.right), dtype=int)
    while True:
        right, racing, n = found.right.copy(), diverged == 0, 0
        fell = np.zeros(len(right), dtype=np.bool_)
        while n < found.trainings and not (n >= 2 and racing.sum() <= 1 < len(right)) and not fell.any():
            fell = racing & np.isnan(found.right[:, found.training == n]).any(axis=1)
            n += 1
            seen = _first(found, right, n)
            racing = racing & still_in_the_race(seen, looks=2 * max(1, n * (n - 1)), diverged=diverged)
            right[np.ix_(~racing & (diverged == 0), found.training >= n)] = np.nan
        if not fell.any():
            return _first(found, right, n), list(diverged)
        diverged += fell


def _first(found: Outcomes, right: NDArray[np.float32], trainings: int) -> Outcomes:
    """Return what was known of `right` after so many trainings."""
    kept = found.training < trainings
    return Outcomes(right[:, kept], found.training[kept], found.image[kept])


class Report:
    """Draws from a bank, and prints one line for each promise.

    Parameters
    ----------
    bank : Bank
    draws, power : int
        Of each setting of equals, and of unequals.
    margin : float
        Of a tie.
    """

    def __init__(self, bank: Bank, *, draws: int, power: int, margin: float) -> None:
        self.bank, self.draws, self.power, self.margin = bank, draws, power, margin
        self.rng = np.random.default_rng(0)
        self.every = [bank.accuracies(c) for c in range(len(CONFIGURATIONS))]
        self.truth = np.array([each.mean() for each in self.every])
        whole = bank.finished.all(axis=(1, 2, 3))
        self.steady = [int(c) for c in np.argsort(-self.truth) if whole[c]]  # the best first

    def verdict(self, candidates: list[int], trainings: int) -> Verdict | None:
        """Return one verdict after so many trainings."""
        return confirmed(self.bank.draw(candidates, trainings, self.rng), [trainings], self.margin)[0]

    def pairs(self, low: float, high: float) -> list[tuple[int, int]]:
        """Return pairs of configurations whose true lead lies between."""
        return [
            (a, b) for a, b in combinations(self.steady, 2) if low <= self.truth[a] - self.truth[b] < high
        ]

    def configurations(self) -> None:
        """Print what each is worth, and the share of the disagreement about an image that stays."""
        for c, each in enumerate(self.every):
            print(f"{c}: {100 * each.mean():.2f} %, std {100 * each.std():.2f} points, n = {len(each)}")
        shares = []
        for a, b in combinations(self.steady, 2):
            e = difference(self.bank.draw([a, b], 5 * self.bank.finished.shape[1], self.rng), 0, 1)
            shares.append((e.by_image - e.single) / (e.judged - 1) / e.single)
        low, middle, high = np.quantile(shares, [0.1, 0.5, 0.9])
        print(f"share of the disagreement that stays: {middle:.2f} (80 % of pairs: {low:.2f} .. {high:.2f})")

    def equals(self) -> None:
        """Print how often one of two or more equal winners is said to beat the others."""
        truth, best = self.truth, self.steady[0]
        noisy = max(self.steady, key=lambda c: self.every[c].std())
        below_best, below_noisy = (
            [c for c in self.steady if truth[c] < truth[top] - 0.005][:4] for top in (best, noisy)
        )
        settings = {
            "six times the best": ([best] * 6, [5]),
            "twice the best, four others": ([best, best, *below_best], [5]),
            "twice the noisiest": ([noisy, noisy], [5]),
            "twice the noisiest, steady worse ones": ([noisy, noisy, *below_noisy], [5]),
            "three times the best, one of which diverges in 10 %": ([best] * 3, [5]),
            "six times the best, two trainings": ([best] * 6, [2]),
            "six times the best, looks after 5, 10, 25": ([best] * 6, [5, 10, 25]),
        }
        for name, (candidates, looks) in settings.items():
            n = self.draws if len(looks) == 1 else self.draws // 4
            equal = [i for i, c in enumerate(candidates) if c == candidates[0]]
            wrong = 0
            for _ in range(n):
                share = 0.1 if "diverges" in name else 0.0
                drawn = self.bank.draw(candidates, looks[-1], self.rng, diverging=share)
                found = confirmed(drawn, looks, self.margin)
                wrong += any(v is not None and v.kind == "beats" and v.winner in equal for v in found)
            print(f"false beats, {name}: {100 * wrong / n:.2f} % of {n}", flush=True)

    def unequals(self) -> None:
        """Print how often a true lead is found, and a tie is called."""
        for low, high, trainings in ((0.012, 0.014, 10), (0.007, 0.009, 25)):
            for a, b in self.pairs(low, high)[:3]:
                others = [c for c in self.steady if self.truth[c] < self.truth[b]][-4:]
                self._told([a, b], trainings, "beats")
                self._told([a, b, *others], trainings, "beats")
        for a, b in self.pairs(0.0, 0.002)[:4]:
            for trainings in (5, 10, 25):
                self._told([a, b], trainings, "tie")

    def _told(self, drawn: list[int], trainings: int, kind: str) -> None:
        """Print the share of a verdict about the first two of the candidates, and the first as the winner."""
        found = [self.verdict(drawn, trainings) for _ in range(self.power)]
        right = [v is not None and v.kind == kind and (kind == "tie" or v.winner == 0) for v in found]
        lead = 100 * (self.truth[drawn[0]] - self.truth[drawn[1]])
        share = f"{100 * np.mean(right):.0f} % of {len(found)}"
        print(
            f"lead {lead:.2f}, {trainings} trainings, {len(drawn)} candidates: {kind} in {share}", flush=True
        )

    def promises(self) -> None:
        """Print how many trainings are promised, and how many give a verdict in 80 % of draws."""
        pairs = self.pairs(0.0, 0.016)
        for a, b in pairs[:: max(1, len(pairs) // 6)]:
            truly = next((n for n in (5, 10, 15, 20, 25, 30, 40, 50, 75, 100) if self._tells(a, b, n)), 200)
            for trainings in (5, 10):
                drawn = [difference(self.bank.draw([a, b], trainings, self.rng), 0, 1) for _ in range(200)]
                promised = np.median(
                    [trainings_needed(e, margin=self.margin, look=2) or MAX_TRAININGS for e in drawn]
                )
                lead = f"lead {100 * (self.truth[a] - self.truth[b]):.2f}, after {trainings}"
                print(f"{lead}: {promised:.0f} trainings promised (median), {truly} needed", flush=True)

    def _tells(self, a: int, b: int, n: int) -> bool:
        """Tell whether a second look after n trainings gives a verdict in 80 % of draws."""
        drawn = (self.bank.draw([a, b], n, self.rng) for _ in range(60))
        return bool(
            np.mean([compare(d, margin=self.margin, look=2).kind != "more_seeds" for d in drawn]) >= 0.8
        )


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bank", type=Path)
    parser.add_argument("--draws", type=int, default=2000, help="of each setting of equals")
    parser.add_argument("--power", type=int, default=300, help="draws of each setting of unequals")
    parser.add_argument("--margin", type=float, default=MARGIN)
    parts = ("configurations", "unequals", "promises", "equals")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    args = parser.parse_args()
    report = Report(Bank.load(args.bank), draws=args.draws, power=args.power, margin=args.margin)
    for part in args.parts:
        getattr(report, part)()
    return 0


if __name__ == "__main__":
    sys.exit(main())
