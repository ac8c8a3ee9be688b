"""The report's claims beside ours, as Markdown, from the answers of `sweep.py report` and `sweep.py effects`.

    python -m benchmarks.report_table report.json effects-report.json effects.json [--page docs/report.md]

With ``--page``, each table is written between the page's ``<!-- NAME -->`` and ``<!-- /NAME -->``.
"""

import argparse
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from scipy import stats

from benchmarks.machine import describe
from studies.analysis.scores import summarise
from studies.experiments.one_factor import EXPERIMENTS

FIGURES = {
    "batch_size": ("6", "batch size"),
    "learning_rate": ("7", "learning rate"),
    "hidden_units": ("8", "hidden units"),
}
DIGITS = {"batch_size": 0, "learning_rate": 1, "hidden_units": 1}
"""Digits after the point with which the report gives each figure's best accuracy, in per cent."""


def tables(report: dict[str, Any], judged_on_test: dict[str, Any], honest: dict[str, Any]) -> dict[str, str]:
    """Return every table by the name of its place in the page."""
    named = (("report.json", report, "report"), ("effects-report.json", judged_on_test, "report"))
    for name, answer, protocol in (*named, ("effects.json", honest, "holdout")):
        if answer["protocol"] != protocol:
            raise ValueError(f"{name} is an answer with --protocol {answer['protocol']}, not {protocol}")
    return {
        "claims": _claims(report, judged_on_test),
        **{factor: _figure(factor, judged_on_test, honest) for factor in FIGURES},
        "hidden": _hidden(report, judged_on_test),
        "circumstances": _circumstances(report, judged_on_test, honest),
    }


def _claims(report: dict[str, Any], effects: dict[str, Any]) -> str:
    rows = []
    for which, index in (("first", 0), ("last", -1)):
        said = report["reported"][which]
        epochs = [run["epochs"][index] for run in report["runs"]]
        for key, words, digits in (
            ("train_loss", "loss", None),
            ("train_accuracy", "training accuracy", 2),
            ("validation_accuracy", "accuracy on the test set", 2),
        ):
            values = [epoch[key] for epoch in epochs]
            rows.append(
                [f"{which} epoch ({said['epoch']}), {words}", *_number_row(said[key], values, digits)]
            )
    said = report["reported"]["best"]
    values = report["best_epoch"]["values"]
    rows.append(
        ["best epoch, accuracy on the test set", *_number_row(said["validation_accuracy"], values, 2)]
    )
    for factor, (figure, words) in FIGURES.items():
        said = effects["reported"][factor]
        name = f"Figure {figure}: {words} {said['value']}"
        level = next(row for row in effects[factor] if row["value"] == said["value"])
        rows.append([name, *_number_row(said["accuracy"], level["values"], DIGITS[factor])])
        rows.append([f"{name} is the best value", *_choice_row(said["value"], effects["tests"][factor])])
    return _table(["claim", "report", "ours: mean ± std (n)", "verdict"], rows)


def _number_row(said: float, values: Sequence[float], digits: int | None) -> list[str]:
    """Compare a published figure with our runs; `digits` None means that it is no percentage."""
    scale, places = (1.0, 4) if digits is None else (100.0, 2)
    unit = "" if digits is None else " %"
    s = summarise(values)
    shown = f"{said * scale:.{4 if digits is None else digits}f}{unit}"
    if s.n < 2:
        return [shown, f"{s.mean * scale:.{places}f}{unit} (1)", "not judged: one seed"]
    rounding = 0.5 * 10.0 ** -(4 if digits is None else digits) / scale
    # A single further run lies within this distance of the mean with a chance of 95 %.
    reach = float(stats.t.ppf(0.975, s.n - 1)) * s.std * math.sqrt(1 + 1 / s.n) + rounding
    ours = f"{s.mean * scale:.{places}f} ± {s.std * scale:.{places}f}{unit} ({s.n})"
    difference = s.mean - said
    if abs(difference) <= reach:
        return [shown, ours, "reproduced: one run of ours could give it"]
    words = f"{abs(difference) * scale:.{places}f}{' points' if unit else ''}"
    return [shown, ours, f"not reproduced: ours is {words} {'higher' if difference > 0 else 'lower'}"]


def _choice_row(said: float, test: dict[str, Any]) -> list[str]:
    if "best" not in test:
        return [f"{said}", "", "not judged: one seed"]
    good = ", ".join(map(str, test["not_beaten_by_the_best"]))
    ours = f"best mean at {test['best']}; not beaten by it: {good} ({test['seeds']})"
    if test["not_beaten_by_the_best"] == [said]:
        return [f"{said}", ours, "reproduced"]
    if said in test["not_beaten_by_the_best"]:
        return [f"{said}", ours, "within noise"]
    return [f"{said}", ours, f"not reproduced: {test['best']} beats it"]


def _figure(factor: str, judged_on_test: dict[str, Any], honest: dict[str, Any]) -> str:
    said = judged_on_test["reported"][factor]
    by_value = [{row["value"]: row for row in answer[factor]} for answer in (judged_on_test, honest)]
    rows = []
    for value in by_value[0] | by_value[1]:
        published = f"{100 * said['accuracy']:.{DIGITS[factor]}f} %" if value == said["value"] else ""
        rows.append([str(value), published, *(_level(levels.get(value)) for levels in by_value)])
    head = [factor, "report", "test set, best epoch (protocol report)", "validation, last epoch (holdout)"]
    sentences = [
        f"- Protocol {answer['protocol']}: {answer['tests'][factor]['sentence']}"
        for answer in (judged_on_test, honest)
    ]
    return "\n".join([_table(head, rows), "", *sentences])


def _level(row: dict[str, Any] | None) -> str:
    if row is None or row["mean"] is None:
        return "" if row is None else f"diverged ({row['diverged']})"
    if row["std"] is None:
        return f"{100 * row['mean']:.2f} % (1)"
    interval = f"{100 * row['low']:.2f} to {100 * row['high']:.2f}"
    return f"{100 * row['mean']:.2f} ± {100 * row['std']:.2f} %, {interval} ({row['n']})"


def _hidden(report: dict[str, Any], effects: dict[str, Any]) -> str:
    """What best epoch, selection and a single seed add to a figure, measured on our own runs."""
    gaps = [run["best"]["validation_accuracy"] - run["last"]["validation_accuracy"] for run in report["runs"]]
    gains = {
        configuration: row["best_epoch"]["mean"] - row["last_epoch"]["mean"]
        for factor, grid in EXPERIMENTS.items()
        for configuration in grid
        for row in effects[factor]
        if row["value"] == getattr(configuration, factor)
    }
    rows = [
        [
            "best epoch instead of the last, the report's configuration",
            f"{100 * mean(gaps):+.2f} points on average over {len(gaps)} seeds"
            f" ({100 * min(gaps):+.2f} to {100 * max(gaps):+.2f})",
        ],
        [
            f"best epoch instead of the last, the figures' {len(gains)} configurations",
            f"{100 * mean(gains.values()):+.2f} points on average"
            f" ({100 * min(gains.values()):+.2f} to {100 * max(gains.values()):+.2f})",
        ],
    ]
    values = report["best_epoch"]["values"]
    rows.append(
        [
            "one seed instead of several, the report's configuration",
            f"{100 * min(values):.2f} to {100 * max(values):.2f} % over {len(values)} seeds",
        ]
    )
    for factor, (figure, words) in FIGURES.items():
        levels = effects[factor]
        shared = sorted(set.intersection(*(set(row["seeds"]) for row in levels)))
        by_seed = {s: [row["values"][row["seeds"].index(s)] for row in levels] for s in shared}
        winners = {s: column.index(max(column)) for s, column in by_seed.items()}
        counted = Counter(levels[i]["value"] for i in winners.values())
        named = ", ".join(f"{value} ({n} of {len(shared)} seeds)" for value, n in counted.most_common())
        rows.append([f"the best {words} of Figure {figure} that a single seed names", named])
        if len(shared) > 1:
            flattery = mean(
                by_seed[s][i] - mean(by_seed[other][i] for other in shared if other != s)
                for s, i in winners.items()
            )
            rows.append(
                [
                    "the score of that winner, less the same value's mean over the other seeds",
                    f"{100 * flattery:+.2f} points on average",
                ]
            )
    return _table(["what the method does", "what it did here"], rows)


def _circumstances(*answers: dict[str, Any]) -> str:
    report, *effects = answers
    lines = [
        f"- `{answer['study']}`: {answer['n_trials']['complete']} trainings complete,"
        f" {answer['n_trials']['pruned']} diverged, {answer['epochs']} epochs each,"
        f" on {answer['data']['name']} (fingerprint {answer['data']['fingerprint'][:12]})"
        for answer in effects
    ]
    lines.append(f"- the report's configuration: seeds {', '.join(map(str, report['seeds']))}")
    here = describe(["numpy", "scipy", "optuna"])
    return "\n".join([*lines, *(f"- {name}: {words}" for name, words in here.items())])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def fill(page: str, made: dict[str, str]) -> str:
    """Return the page with each table between its two marks.

    Raises
    ------
    ValueError
        If the page has no place for a table.
    """
    for name, text in made.items():
        place = re.compile(f"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
        found = place.search(page)
        if found is None:
            raise ValueError(f"the page has no place for the table {name!r}")
        page = f"{page[: found.start()]}\n{text}\n\n{page[found.end() :]}"
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("report", "effects_report", "effects"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--page", type=Path, help="write the tables into this page")
    args = parser.parse_args()
    answers = [json.loads(path.read_text()) for path in (args.report, args.effects_report, args.effects)]
    made = tables(*answers)
    if args.page is None:
        print("\n\n".join(f"<!-- {name} -->\n\n{text}" for name, text in made.items()))
    else:
        args.page.write_text(fill(args.page.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    main()
