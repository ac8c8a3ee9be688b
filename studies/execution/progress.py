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

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace so far, in seconds; None before the first trial."""
        done = self.finished - self.begun
        return self.seconds / done * (self.total - self.finished) if done > 0 else None
