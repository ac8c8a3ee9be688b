"""The trials of a study as tables: one row a trial, or one row an epoch."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from fcnet.hyperparameters import Hyperparameters
from fcnet.metrics import EpochMetrics
from studies import record

_NUMBERS: dict[str, type] = {field.name: float for field in fields(EpochMetrics)} | {"epoch": int}
_WISHES: dict[str, type] = dict.fromkeys(record.Wish.__struct_fields__, int)


@dataclass(frozen=True)
class Table:
    """Rows and the type of each column; a row need not have a value in each.

    Parameters
    ----------
    columns : dict of str to type
        int, float, bool, str or datetime.
    rows : list of dict
    """

    columns: dict[str, type]
    rows: list[dict[str, Any]]


def trials_table(study: Study) -> Table:
    """Return one row per trial: what it was, the metrics of its last epoch, why it ended.

    Accuracies are fractions, losses nats, `seconds` the time of all its epochs; `started` and `ended` are
    local times; `retry_of` is the trial that it takes up again.

    Raises
    ------
    UserError
        If somebody changed what the study keeps of a trial.
    """
    trials = study.get_trials(deepcopy=False)
    metrics = {name: kind for name, kind in _NUMBERS.items() if name not in ("epoch", "seconds")}
    columns = {"number": int, "state": str, "value": float, **dict(_params(trials)), "epochs": int, **metrics}
    columns |= {**_WISHES, "retry_of": int, "seconds": float, "started": datetime, "ended": datetime}
    return Table({**columns, "reason": str, "taken_from": str}, [_row(trial) for trial in trials])


def epochs_table(study: Study) -> Table:
    """Return one row per epoch of each training that ended: the trial's number, its state, the metrics."""
    rows = []
    for trial in study.get_trials(deepcopy=False):
        if left := record.trained(trial):
            about = {"number": trial.number, "state": trial.state.name}
            rows += [{**about, **asdict(epoch)} for epoch in left.epochs]
    return Table({"number": int, "state": str, **_NUMBERS}, rows)


def _row(trial: FrozenTrial) -> dict[str, Any]:
    left, wish = record.trained(trial), record.wish(trial)
    last = asdict(left.epochs[-1]) if left and left.epochs else {}
    return {
        "number": trial.number,
        "state": trial.state.name,
        "value": trial.value,
        **trial.params,
        "epochs": len(left.epochs) if left else None,
        **last,
        **{name: getattr(wish, name) for name in _WISHES},
        "retry_of": record.retry_of(trial),
        "seconds": left.seconds if left else None,
        "started": trial.datetime_start,
        "ended": trial.datetime_complete,
        "reason": record.reason(trial) or None,
        "taken_from": record.taken_from(trial),
    }


def _params(trials: list[FrozenTrial]) -> Iterator[tuple[str, type]]:
    """Yield the hyperparameters that any trial has, and what they are."""
    names = {name for trial in trials for name in trial.params}
    for field in fields(Hyperparameters):
        if field.name in names:
            kind: Any = type(field.default)
            yield field.name, int if field.default is None else kind
