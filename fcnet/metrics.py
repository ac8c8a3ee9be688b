"""What is measured once per epoch."""

from dataclasses import dataclass
from math import nan
from typing import Literal

Metric = Literal["accuracy", "balanced_accuracy"]
"""What trainings are judged by, see `fcnet.scores.score`."""


@dataclass(frozen=True)
class EpochMetrics:
    """Figures of one epoch.

    The training figures are running means over the epoch's mini-batches, each taken before that batch's
    update; the validation figures are taken once, at the end of the epoch.

    Parameters
    ----------
    epoch : int
        Number of the epoch, from 0.
    objective : float
        Training objective in nats: ``train_loss`` plus ``weight_decay * sum(W**2)`` at the end of the epoch.
    train_loss, validation_loss : float
        Mean cross-entropy in nats.
    train_accuracy, validation_accuracy : float
        Share of rows whose class was predicted, in [0, 1].
    seconds : float
        Wall time of the epoch, validation included.
    validation_balanced_accuracy : float
        See `fcnet.scores.score`; NaN in what version 0.1.0 kept.
    """

    epoch: int
    objective: float
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float
    validation_balanced_accuracy: float = nan

    @property
    def train_error_rate(self) -> float:
        """Misclassified share of the training rows, in [0, 1]."""
        return 1.0 - self.train_accuracy

    @property
    def validation_error_rate(self) -> float:
        """Misclassified share of the validation rows, in [0, 1]."""
        return 1.0 - self.validation_accuracy
