"""Finished trials of another study on the same data, taken over into a new one."""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.text import counted
from studies import record
from studies.execution.experiment import FINISHED
from studies.record import OPENINGS, Facts, Kept, Opening
from studies.space import INPUTS, Space, holds, is_baseline
from studies.storage.database import connect, parse
from studies.storage.errors import redact
from studies.storage.study import load_study


@dataclass(frozen=True)
class Taken:
    """What can be taken over from another study.

    Parameters
    ----------
    trials : list of FrozenTrial
        As they shall be in the new study; each says where it came from.
    openings : list of Opening
        Of the test set: who chooses among these trials has seen what they showed.
    sentence : str
        How many there are of how many.
    """

    trials: list[FrozenTrial]
    openings: list[Opening]
    sentence: str

    def further(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return those that are not among `trials`: the same seed makes the same training of them.

        A copy that came back by another study would pass for a repeat, and for a training without noise.
        """
        held = {_training(trial) for trial in trials if trial.state in FINISHED}
        return [trial for trial in self.trials if _training(trial) not in held]

    def give(self, study: Study) -> None:
        """Add the trials that a study does not have yet; call it with the right to run trainings."""
        for trial in self.further(study.get_trials(deepcopy=False)):
            study.add_trial(trial)
        if self.openings and not record.read(study).openings:
            record.write(study, OPENINGS, self.openings)


def _training(trial: FrozenTrial) -> tuple[Hyperparameters, int | None]:
    return record.configuration(trial), record.wish(trial).seed


def take(origin: str, url: str, study_name: str, facts: Facts, *, space: Space, searched: Space) -> Taken:
    """Read the finished trials of another study whose values are those that a new study would find.

    They are: of the same data, protocol and number of epochs, the baseline or within the searched ranges. A
    training for more epochs is cut, where its learning rate was constant; a falling one fell otherwise.

    Parameters
    ----------
    origin : str
        ``[URL#]STUDY``.
    url : str
        Address of the new study's database, and of the other one where `origin` names none.
    study_name, facts, space, searched
        Of the new study: its distributions have room for the baseline besides what is searched.

    Raises
    ------
    UserError
        If there is no such study, its values are others, or none of its trials can be taken over.
    """
    address, _, name = origin.rpartition("#")
    address = address or url
    if (parse(address), name) == (parse(url), study_name):
        raise UserError(f"the study {name!r} has its own trials already: leave out --from")
    with contextlib.closing(connect(address, create=False)) as storage:
        study = load_study(storage, name)
        kept = record.read(study)
        if why := _otherwise(kept, facts):
            raise UserError(f"nothing can be taken over from the study {name!r}: {why}; leave out --from")
        finished = [t for t in study.get_trials(deepcopy=False) if t.state in FINISHED]
    where = f"{redact(address)}#{name}"
    fitted = (_fitted(each, where, kept, facts, space=space, searched=searched) for each in finished)
    found = [trial for trial in fitted if trial is not None]
    if not found:
        reason = "it has no finished trial"
        if finished and kept.facts.epochs > facts.epochs:
            epochs = counted(kept.facts.epochs, "epoch")
            reason = f"its trials had {epochs}, and their learning rate fell over them"
        elif finished:
            reason = "all its trials lie outside of the ranges"
        raise UserError(f"nothing can be taken over from the study {name!r}: {reason}; leave out --from")
    rest = len(finished) - len(found)
    outside = f"; {rest} others do not fit its ranges or epochs" if rest else ""
    sentence = f"Of the study {name!r}, {len(found)} finished trials count in this one{outside}."
    return Taken(found, kept.openings, sentence)


def _otherwise(kept: Kept, facts: Facts) -> str | None:
    """Return why no value of a study is one that the new study would find."""
    old = kept.facts
    if old.data != facts.data:
        return f"it was run on other data ({kept.data_name}, fingerprint {old.data[:12]})"
    if old.protocol != facts.protocol or not old.is_search:
        return "it is no search on held-out data"
    if (old.metric, old.loss) != (facts.metric, facts.loss):
        return f"it was judged by {old.metric}, not {facts.metric}, or trained with another loss"
    if old.epochs < facts.epochs:
        return f"its trainings had {counted(old.epochs, 'epoch')}, not {facts.epochs}"
    return None


def _fitted(
    trial: FrozenTrial, where: str, kept: Kept, facts: Facts, *, space: Space, searched: Space
) -> FrozenTrial | None:
    """Return a trial as it would have been in the new study; None if it could not have been."""
    left, h = record.trained(trial), record.configuration(trial)
    within = space if is_baseline(trial) else searched
    if h.components is None:  # of version 0.1.0, where all trials saw their inputs as the baseline does
        within = {name: space[name] if name in INPUTS else d for name, d in within.items()}
    limits: Any = space.get("components")
    if h.components is None and limits is not None:
        h = replace(h, components=limits.high)  # all that there are
    params = {name: value for name, value in asdict(h).items() if name in space}
    if left is None or not all(holds(d, params[name]) for name, d in within.items()):
        return None
    values = [trial.intermediate_values[epoch.epoch] for epoch in left.epochs]
    state, value, why = trial.state, trial.value, record.reason(trial)
    if facts.epochs < kept.facts.epochs:
        if h.schedule != "constant":
            return None
        if len(values) >= facts.epochs:
            state, value, why = TrialState.COMPLETE, values[facts.epochs - 1], ""
            left = msgspec.structs.replace(
                left, epochs=left.epochs[: facts.epochs], digest=None, outcomes=None
            )  # the last two are of the last epoch
            values = values[: facts.epochs]
    wish = msgspec.structs.replace(record.wish(trial), origin=None, repeat=None)
    user, system = record.taken_attrs(wish, left, origin=f"{where} trial {trial.number}", why=why)
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=value,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=params,
        distributions={name: space[name] for name in params},
        user_attrs=user,
        system_attrs=system,
        intermediate_values=dict(enumerate(values)),
    )
