"""What is said about two searches side by side: which one leads, how sure that is, and what differs."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from fcnet.text import counted
from studies.experiments.comparison import Comparable, Comparison, Side
from studies.views.words import duration, number, percent, points, range_words

ABSENT = "–"


@dataclass(frozen=True)
class Line:
    """One line of a table with a column for each of the two."""

    label: str
    first: str
    second: str

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return self.first != self.second


def headline(found: Comparison) -> str:
    """Say in a sentence which search leads, or why there is no verdict."""
    judged, (first, second) = found.judged, (side.name for side in found.sides)
    if judged.lead is None or judged.trials is None:
        if _other_data(found):
            return "Other data: no verdict."
        return f"No verdict: {judged.why}."
    one, other = judged.trials
    if judged.lead.leader is None:
        return f"No difference can be told between trial {one} of {first} and trial {other} of {second}."
    if judged.lead.leader == 1:
        first, second, one, other = second, first, other, one
    return (
        f"{first} leads: its trial {one} beats trial {other} of {second} by {points(abs(judged.lead.mean))}."
    )


def sureness(found: Comparison) -> str:
    """Say how sure the headline is, and what it rests on."""
    judged = found.judged
    if _other_data(found):
        a, b = (f"{s.name} on {s.summary.data.name} ({s.summary.data.fingerprint[:12]})" for s in found.sides)
        return f"{a}, {b}: scores on other data are no comparison."
    how_far = _interval(found) if judged.lead else _as_found(found)
    told = [how_far, _basis(judged), *_others(found), _epochs(found)]
    return " ".join(sentence for sentence in told if sentence)


def _other_data(found: Comparison) -> bool:
    return found.sides[0].kept.facts.data != found.sides[1].kept.facts.data


def _interval(found: Comparison) -> str:
    lead = found.judged.lead
    assert lead is not None
    ahead, low, high = lead.mean, lead.low, lead.high
    name = found.sides[0].name
    if lead.leader == 1 or (lead.leader is None and ahead < 0):
        ahead, low, high, name = -ahead, -high, -low, found.sides[1].name
    within = f"between {100 * low:.2f} and {points(high)}"
    if lead.leader is None:
        return f"{name} is {points(ahead)} ahead; with 95 % confidence its lead is {within}."
    return f"With 95 % confidence its lead is {within}, on fresh images and in fresh trainings."


def _as_found(found: Comparison) -> str:
    ahead, trials = found.judged.found, found.judged.trials
    if not ahead or trials is None:
        return ""
    one, other = found.sides if ahead > 0 else found.sides[::-1]
    first, second = trials if ahead > 0 else trials[::-1]
    return (
        f"As the searches found them, trial {first} of {one.name} is {points(abs(ahead))} above"
        f" trial {second} of {other.name}; each may be the luckiest of its search."
    )


def _basis(judged: Comparable) -> str:
    if judged.ground == "confirmed":
        return (
            "Both are the best confirmed of their search, trained on the same"
            f" {counted(judged.seeds, 'fold')} with the same seeds; the interval allows for the candidates"
            " that they were picked from."
        )
    if judged.ground == "corrected":
        return (
            "Both scores are those of the search, corrected for the picking, judged by the same images;"
            " how much a training varies is known from repeats. A confirmation of both tells more."
        )
    return ""


def _others(found: Comparison) -> list[str]:
    """Say whose own confirmation names another winner than the shared folds, which the tables show."""
    told, judged = [], found.judged
    for side, trial in zip(found.sides, judged.trials or (), strict=False):
        scores, confirmation = side.summary.scores, side.kept.confirmation
        if judged.ground == "confirmed" and scores and confirmation and scores.trial != trial:
            told.append(
                f"On the {judged.seeds} shared folds trial {trial} of {side.name} leads its search; its own"
                f" confirmation, on {counted(len(confirmation.seeds), 'seed')}, names trial {scores.trial},"
                " which the tables show."
            )
    return told


def _epochs(found: Comparison) -> str:
    first, second = found.sides
    a, b = first.kept.facts.epochs, second.kept.facts.epochs
    return (
        "" if a == b else f"A training of {first.name} had {counted(a, 'epoch')}, one of {second.name} {b}."
    )


def winners(found: Comparison) -> list[Line]:
    """Return the winners' numbers, scores and parameters."""
    first, second = (_winner(side) for side in found.sides)
    return _lines(first, second)


def spaces(found: Comparison) -> list[Line]:
    """Return the ranges that were searched."""
    first, second = (
        {name: range_words(text) for name, text in side.kept.facts.space.items()} for side in found.sides
    )
    return _lines(first, second)


def settings(found: Comparison) -> list[Line]:
    """Return data and settings."""
    first, second = (_settings(side) for side in found.sides)
    return _lines(first, second)


def counts(found: Comparison) -> list[Line]:
    """Return how many trials there are in each state, and how long the work took."""
    first, second = (_counts(side) for side in found.sides)
    return _lines(first, second)


def _lines(first: Mapping[str, str], second: Mapping[str, str]) -> list[Line]:
    labels = dict.fromkeys([*first, *second])
    return [Line(label, first.get(label, ABSENT), second.get(label, ABSENT)) for label in labels]


def parameters(side: Side) -> dict[str, object]:
    """Return the winner's hyperparameters; none before the first complete trial."""
    scores = side.summary.scores
    if scores is None:
        return {}
    return next((row.params for row in side.rows if row.trial == scores.trial), {})


def _winner(side: Side) -> dict[str, str]:
    scores = side.summary.scores
    if scores is None:
        return {}
    found = {"trial": str(scores.trial), "found": percent(scores.search.mean)}
    return found | {name: number(value) for name, value in parameters(side).items()}


def _settings(side: Side) -> dict[str, str]:
    kept, facts = side.kept, side.kept.facts
    found = {
        "data": kept.data_name,
        "fingerprint": facts.data[:12],
        "from": shlex.join(kept.source.options()).removeprefix("--data "),
        "protocol": facts.protocol,
        "metric": facts.metric.replace("_", " "),
        "epochs": str(facts.epochs),
        **({} if facts.loss is None else {"loss": facts.loss}),
        "test set opened": counted(len(kept.openings), "time"),
    }
    if (asked := kept.asked) is not None:
        found |= {
            "trials asked for": str(asked.trials),
            "sampler": asked.sampler,
            "pruner": asked.pruner,
            "seed": str(asked.seed),
            "trials from": asked.taken_from or ABSENT,
        }
    return found


def _counts(side: Side) -> dict[str, str]:
    n = side.summary.n_trials
    ends = [row.ended for row in side.rows if row.ended is not None]
    return {
        "complete": str(n.complete),
        "pruned or diverged": str(n.pruned),
        "failed": str(n.failed),
        "running": str(n.running),
        "waiting": str(n.waiting),
        "time of work": duration(max(ends, default=0.0)),
    }
