"""What a trial keeps: what it shall be, what its training left, why it ended, which one it takes up again."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, Trial, TrialState

from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.metrics import EpochMetrics
from studies.record.final import Count, Positive

COORDINATOR = "coordinator"
"""System attribute: the coordinator that started the trial, see `studies.storage.ownership`."""
_RECORD, _FIXED = "record", "fixed_params"  # system attributes; the second one is Optuna's
REASON = "reason"
_RETRY_OF = "retry_of"
_TAKEN_FROM = "taken_from"
INTERRUPTED = "interrupted"
"""Why a training failed whose process was stopped: that is no failure, and it is run again."""


_T = TypeVar("_T")


class Wish(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a trial shall be besides its hyperparameters; user attributes of the trial.

    Parameters
    ----------
    seed : int, optional
        Of its training; the runner draws one where none is given.
    split_seed : int, default=0
        Of its division into training and validation images.
    fold : int, default=0
        Which fifth of that division is held out.
    origin : int, optional
        The searched trial that it trains again.
    repeat : int, optional
        The trial of the same study that it repeats to measure the noise; it is never pruned.
    """

    seed: Count | None = None
    split_seed: Count = 0
    fold: Count = 0
    origin: Count | None = None
    repeat: Count | None = None


class Outcomes(Struct, frozen=True, kw_only=True):
    """Which validation images a trained network gets right, and which images these are.

    Parameters
    ----------
    split_seed, fold : int
        As in `Wish`: with the data of the study they say which images judged, in ascending order.
    images : int
        Their number.
    right : bytes
        One bit for each, the first in the highest bit of the first byte (kept as base64).
    """

    split_seed: Count
    fold: Count
    images: Positive
    right: bytes

    def __post_init__(self) -> None:
        if len(self.right) != -(-self.images // 8):
            raise ValueError(f"{len(self.right)} bytes for {self.images} images")

    @classmethod
    def of(cls, right: NDArray[np.bool_], *, split_seed: int, fold: int) -> "Outcomes":
        """Pack a mask of shape (images,)."""
        packed = np.packbits(right).tobytes()
        return cls(split_seed=split_seed, fold=fold, images=len(right), right=packed)

    def mask(self) -> NDArray[np.bool_]:
        """Return them as a mask of shape (images,)."""
        return np.unpackbits(np.frombuffer(self.right, np.uint8), count=self.images).astype(np.bool_)


class Trained(Struct, frozen=True, kw_only=True):
    """What a training left: all that `reproduce` compares; a system attribute of the trial.

    Parameters
    ----------
    epochs : list of EpochMetrics
    digest : str or None
        SHA-256 of the parameters; None where the training was ended early.
    environment : dict of str to str
        See `studies.execution.environment`.
    outcomes : Outcomes or None
        Of the last epoch; None where the training was ended early, where the test set judged, and in what
        version 0.1.0 kept.
    """

    epochs: list[EpochMetrics]
    digest: str | None
    environment: dict[str, str]
    outcomes: Outcomes | None = None

    @property
    def seconds(self) -> float:
        """Time of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)


def configuration_hash(params: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a configuration, in hex."""
    return hashlib.sha256(json.dumps(dict(params), sort_keys=True).encode()).hexdigest()


def configuration(trial: FrozenTrial) -> Hyperparameters:
    """Return what a trial trains: its own hyperparameters, or those that it was enqueued with."""
    # A trial that is being started has got some of its parameters only.
    return _of(trial, lambda: Hyperparameters(**{**trial.system_attrs.get(_FIXED, {}), **trial.params}))


def wish(trial: FrozenTrial | Trial) -> Wish:
    """Return what a trial shall be besides its hyperparameters."""
    return _of(trial, lambda: msgspec.convert(trial.user_attrs, Wish))


def write_seed(trial: Trial, wished: Wish) -> None:
    """Keep the seed that was drawn for a training."""
    trial.set_user_attr("seed", wished.seed)


def kept_wish(wished: Wish) -> dict[str, int]:
    """Return a wish as user attributes of a trial."""
    found: dict[str, int] = msgspec.to_builtins(wished)
    return found


def trained(trial: FrozenTrial) -> Trained | None:
    """Return what a trial's training left; None for one that was not trained to an end."""
    if _RECORD not in trial.system_attrs:
        return None
    found = trial.system_attrs[_RECORD]

    def parse() -> Trained:
        epochs = [_epoch(row) for row in msgspec.convert(found["epochs"], list[_Row])]
        rest = msgspec.convert({**found, "epochs": []}, Trained)
        return msgspec.structs.replace(rest, epochs=epochs)

    return _of(trial, parse)


def outcomes(trial: FrozenTrial) -> Outcomes | None:
    """Return which images a complete training got right, without its epochs; None where that is not kept."""
    if trial.state != TrialState.COMPLETE or _RECORD not in trial.system_attrs:
        return None
    return _of(trial, lambda: msgspec.convert(trial.system_attrs[_RECORD].get("outcomes"), Outcomes | None))


# Version 0.1.0 kept seven figures of an epoch; there are eight.
_Row = Annotated[list[float], Meta(min_length=7, max_length=8)]
for _kind in (list[_Row], Wish, Trained, Outcomes | None):
    msgspec.json.Decoder(_kind)  # learns the kind now: msgspec crashes where two threads do so at once


def _epoch(row: list[float]) -> EpochMetrics:
    if row[0] != int(row[0]):
        raise ValueError("the number of an epoch is none")
    return EpochMetrics(int(row[0]), *row[1:])


def write_trained(trial: Trial, left: Trained) -> None:
    """Keep what a training left."""
    trial.storage.set_trial_system_attr(trial._trial_id, _RECORD, _kept(left))


def _kept(left: Trained) -> dict[str, Any]:
    return {**msgspec.to_builtins(left), "epochs": [astuple(epoch) for epoch in left.epochs]}


def reason(trial: FrozenTrial) -> str:
    """Return why a trial ended early; empty if it did not."""
    return str(trial.user_attrs.get(REASON, ""))


def diverged(trial: FrozenTrial) -> bool:
    """Tell whether a training ended as its logits were no longer finite; Optuna calls that pruned too."""
    return trial.state == TrialState.PRUNED and "diverged" in reason(trial)


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the complete trial with the highest value, the earliest of equals; None without any."""
    complete = (trial for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None)
    return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)


def last_failure(trials: Sequence[FrozenTrial]) -> str:
    """Return why the last trial that failed did; empty if none did."""
    return next((reason(trial) for trial in reversed(trials) if trial.state == TrialState.FAIL), "")


def write_reason(trial: Trial, why: str) -> None:
    """Keep why a trial ends early."""
    trial.set_user_attr(REASON, why)


def retry_of(trial: FrozenTrial) -> int | None:
    """Return the number of the trial that a trial takes up again; None for most."""
    number = trial.user_attrs.get(_RETRY_OF)
    return number if isinstance(number, int) else None


def taken_from(trial: FrozenTrial) -> str | None:
    """Return the study and the number that a trial was taken over from; None for most."""
    found = trial.user_attrs.get(_TAKEN_FROM)
    return found if isinstance(found, str) else None


def taken_attrs(
    wished: Wish, left: Trained | None, *, origin: str, why: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return user and system attributes of a trial that is taken over from elsewhere."""
    user = {**kept_wish(wished), _TAKEN_FROM: origin, **({REASON: why} if why else {})}
    return user, {} if left is None else {_RECORD: _kept(left)}


def retry_attrs(trial: FrozenTrial) -> dict[str, Any]:
    """Return the user attributes of the trial that takes a trial up again."""
    kept = {name: trial.user_attrs[name] for name in Wish.__struct_fields__ if name in trial.user_attrs}
    return {_RETRY_OF: trial.number, **kept}


def _of(trial: FrozenTrial | Trial, parse: Callable[[], _T]) -> _T:
    try:
        return parse()
    except (msgspec.ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"what the study kept of trial {trial.number} is not as this program writes it:"
            " restore a copy of the database or name another trial"
        ) from error
