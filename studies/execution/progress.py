"""Where an experiment stands, as plain data for whoever shows it."""

from dataclasses import dataclass

from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Progress:
    """Where an experiment stands.

    Parameters
    ----------
    finished, total : int
        Finished trials (complete or pruned) in the study, and how many there shall be.
    begun : int
        Finished trials when this run began.
    pruned, running : int
        Trials that were pruned, in the whole study; trials that this process runs.
    best : FrozenTrial or None
        The best complete trial.
    seconds : float
        Since this run began.
    latest : tuple of FrozenTrial
        Trials that ended since the last look.
    epochs : tuple of int
        Epochs done and to do, in the whole study.
    left : float or None
        Seconds that are left, where that is known better than from `epochs` and `seconds`.
    """

    finished: int
    total: int
    begun: int
    pruned: int
    running: int
    best: FrozenTrial | None
    seconds: float
    latest: tuple[FrozenTrial, ...]
    epochs: tuple[int, int] = (0, 0)
    left: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace of the epochs so far, in seconds; None before there are any, and in the end.

        Where epochs are not known, whole trials are counted.
        """
        if self.left is not None:
            return self.left
        (done, total), begun = self.epochs, self.begun
        if total > 0:
            begun *= total // max(self.total, 1)
        else:
            done, total = self.finished, self.total
        return self.seconds / (done - begun) * (total - done) if total > done > begun else None
