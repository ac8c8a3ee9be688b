"""Two searches side by side: the verdict at each stage of what is known, and what writes the page."""

import contextlib
import json
import re
import sqlite3
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from conftest import write_images
from made import NOW, drawn, make_study, trial
from optuna.trial import TrialState
from scripted import Scripted, noisy
from test_page import data_of, read

from fcnet.errors import UsageError
from studies import record
from studies.api import open_study
from studies.commands.main import main
from studies.commands.main import read as options_of
from studies.execution.run import run
from studies.experiments.comparison import compare_studies
from studies.experiments.confirm import Confirm
from studies.experiments.data import load_data_of
from studies.experiments.overview import overview
from studies.experiments.plan import Plan
from studies.experiments.search import prepared
from studies.record import FACTS, FINAL, OPENINGS, attributes, write_attribute
from studies.space import BASELINE, START
from studies.storage.database import connect
from studies.views.comparison import counts, headline, settings, spaces, sureness, winners
from studies.views.page import Surroundings, render, render_comparison


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    write_images(folder / "images.npz", n_train=800)
    return folder


@pytest.fixture(scope="module")
def address(folder):
    return f"sqlite:///{folder / 'sweep.db'}"


def trained(experiment, address, quality, spread):
    """Run an experiment whose trainings are worth `quality`, with a noise of `spread`."""
    backend, ignore = Scripted(noisy(quality, spread=spread)), lambda _: None
    with contextlib.closing(connect(address, create=True)) as storage:
        run(experiment, storage, backend, say=ignore, show=ignore, publish=ignore)


def swept(address, name, quality, *, spread=0.004, trials=3, **options):
    """Return a search whose trials are worth `quality` on the average."""
    images = address.removeprefix("sqlite:///").replace("sweep.db", "images.npz")
    options = {"epochs": 1, "sampler": "random", "pruner": "none", **options}
    plan = Plan(address, name, data=images, trials=trials, **options)
    trained(prepared(plan, say=lambda _: None), address, quality, spread)
    return open_study(address, name)


def confirmed(address, study, quality, *, top=1, n_seeds=5):
    dataset, source = load_data_of(study, None, say=lambda _: None)
    trained(Confirm(study, dataset, source, top=top, n_seeds=n_seeds), address, quality, 0.004)


def said(*studies):
    found = compare_studies(studies)
    return headline(found), sureness(found), found.judged


def of(value):
    """A configuration's quality: `value`, and 0.70 for those that all searches have."""
    return lambda h: 0.70 if h.hidden_units in (BASELINE.hidden_units, START.hidden_units) else value


def test_the_verdict_grows_with_what_is_known(address):
    worse, better = swept(address, "first", of(0.80)), swept(address, "second", of(0.90), seed=1)
    told, sure, judged = said(worse, better)
    assert told == "No verdict: how much a training varies has not been measured in first and second."
    assert sure.startswith(f"As the searches found them, trial {judged.trials[1]} of second is ")
    assert sure.endswith("each may be the luckiest of its search.")
    assert judged.more == (0, 1)

    confirmed(address, worse, of(0.80))
    told, _, judged = said(worse, better)
    assert (told, judged.more) == ("No verdict: first is confirmed, second is not.", (1,))
    assert said(better, worse)[2].more == (0,)

    confirmed(address, better, of(0.90))
    told, sure, judged = said(worse, better)
    one, other = judged.trials
    points = -100 * judged.lead.mean
    assert told == f"second leads: its trial {other} beats trial {one} of first by {points:.2f} points."
    assert 8 < points < 12
    low, high = -100 * judged.lead.high, -100 * judged.lead.low
    assert 0 < low < points < high
    assert f"its lead is between {low:.2f} and {high:.2f} points, on fresh images" in sure
    assert "trained on the same 5 folds with the same seeds" in sure
    assert (judged.ground, judged.seeds, judged.more) == ("confirmed", 5, ())

    turned = said(better, worse)
    assert turned[0] == told
    assert turned[1] == sure


def test_the_side_with_fewer_folds_is_to_be_confirmed_and_another_winner_of_its_own_is_told(address):
    fewer, all_ = (swept(address, f"of-{i}", of(0.80 + i / 50), seed=i) for i in (3, 5))
    confirmed(address, fewer, of(0.86), n_seeds=3)
    confirmed(address, all_, of(0.80))
    assert record.read(fewer).confirmation.more_seeds is None  # it is sure of its own winner
    found = compare_studies([fewer, all_])
    assert (found.judged.seeds, found.judged.more) == (3, (0,))
    assert "which the tables show" not in sureness(found)
    one, other = found.judged.trials
    another = replace(found, judged=replace(found.judged, trials=(one, other + 7)))
    assert (
        f"On the 3 shared folds trial {other + 7} of of-5 leads its search; its own confirmation, on 5 seeds,"
        f" names trial {other}, which the tables show."
    ) in sureness(another)


def test_equal_confirmed_winners_cannot_be_told_apart(address):
    studies = [swept(address, name, of(0.80), seed=seed) for name, seed in (("first", 0), ("third", 2))]
    for study in studies:
        confirmed(address, study, of(0.80))
    told, sure, judged = said(*studies)
    one, other = judged.trials
    assert told == f"No difference can be told between trial {one} of first and trial {other} of third."
    assert "with 95 % confidence its lead is between -" in sure


def of_start(value, other):
    """The starting point's quality, and that of what the sampler proposes; the baseline has 0.60."""
    return lambda h: {START.hidden_units: value, BASELINE.hidden_units: 0.60}.get(h.hidden_units, other)


def test_a_configuration_that_was_trained_for_more_epochs_is_another(address):
    qualities = {"one-epoch": of_start(0.70, 0.65), "two-epochs": of_start(0.85, 0.80)}
    studies = [
        swept(address, name, quality, epochs=epochs)
        for epochs, (name, quality) in enumerate(qualities.items(), 1)
    ]
    assert said(*studies)[0].startswith("No verdict: how much a training varies has not been measured in")
    for study in studies:
        confirmed(address, study, qualities[study.study_name])
    told, sure, judged = said(*studies)
    assert told.startswith("two-epochs leads: its trial 1 beats trial 1 of one-epoch by ")
    assert -0.16 < judged.lead.mean < -0.14
    assert "A training of one-epoch had 1 epoch, one of two-epochs 2." in sure


def test_each_search_has_the_scores_of_its_own_trainings(address):
    qualities = {"short": of_start(0.70, 0.72), "long": of_start(0.90, 0.80)}
    studies = [
        swept(address, name, quality, epochs=epochs)
        for epochs, (name, quality) in enumerate(qualities.items(), 1)
    ]
    for study in studies:
        confirmed(address, study, qualities[study.study_name], top=2)
    told, _, judged = said(*studies)
    assert told.startswith("long leads: its trial 1 beats trial 2 of short by ")
    assert -0.19 < judged.lead.mean < -0.17


def test_repeats_in_both_searches_give_a_verdict_without_a_confirmation(address):
    studies = [
        swept(address, f"flat-{i}", of(value), spread=0.002, trials=7, until_flat=True, seed=i)
        for i, value in ((4, 0.80), (5, 0.95))
    ]
    told, sure, judged = said(*studies)
    assert told.startswith(
        f"flat-5 leads: its trial {judged.trials[1]} beats trial {judged.trials[0]} of flat-4"
    )
    assert "corrected for the picking, judged by the same images" in sure
    assert (judged.ground, judged.more) == ("corrected", (0, 1))
    lost = [trial for trial in studies[0].get_trials() if trial.number != judged.trials[0]][:2]
    records = [json.dumps({**trial.system_attrs["record"], "outcomes": None}) for trial in lost]
    with contextlib.closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as database, database:
        forget = "UPDATE trial_system_attributes SET value_json = ? WHERE key = 'record' AND trial_id = ?"
        ids = [trial._trial_id for trial in lost]
        database.executemany(forget, list(zip(records, ids, strict=True)))
    studies[0] = open_study(address, "flat-4")
    assert said(*studies)[0] == (
        "No verdict: of too many trials of flat-4 it is not known which images they got right."
    )


def test_without_a_common_ground_there_is_no_verdict(address):
    def baseline_first(h):
        return 0.9 if h.hidden_units == BASELINE.hidden_units else 0.7

    alike = [swept(address, f"alike-{i}", baseline_first, trials=2, seed=i) for i in (6, 7)]
    assert said(*alike)[0] == "No verdict: both found the same configuration."
    kept = attributes(alike[1])[FACTS]
    write_attribute(alike[1], FACTS, {**kept, "metric": "balanced_accuracy"})
    assert said(*alike)[0] == "No verdict: the metrics are others, accuracy and balanced_accuracy."
    write_attribute(alike[1], FACTS, {**kept, "data": "f" * 64})
    told, sure, judged = said(*alike)
    assert told == "Other data: no verdict."
    assert "(ffffffffffff): scores on other data are no comparison." in sure
    assert judged.found is None
    write_attribute(alike[1], FACTS, {**kept, "epochs": 3})
    assert said(*alike)[1].endswith("A training of alike-6 had 1 epoch, one of alike-7 3.")
    empty = make_study(0, name="empty")
    write_attribute(empty, FACTS, kept)
    assert said(alike[0], empty)[0] == "No verdict: empty has no complete trial yet."
    # What version 0.1.0 trained kept no outcomes.
    old = [make_study(20, name=name, seed=seed) for name, seed in (("old", 1), ("older", 2))]
    assert said(*old)[0] == "No verdict: it is not known that the same images judged both winners."
    part = make_study(5, name="part")
    write_attribute(part, FACTS, {**attributes(part)[FACTS], "confirms": "old"})
    with pytest.raises(UsageError, match="the study 'part' is no search: name two searches with --study"):
        compare_studies([old[0], part])


def test_what_differs_is_marked_in_every_table():
    studies = (
        make_study(30, name="a", confirmed=True, tested=True),
        make_study(12, name="b", seed=4, asked=50),
    )
    kept = attributes(studies[1])[FACTS]
    space = {**kept["space"], "momentum": "0..0.5", "n_layers": "3..3"}
    write_attribute(studies[1], FACTS, {**kept, "space": space})
    found = compare_studies(studies)
    ranges = {line.label: line for line in spaces(found)}
    assert [name for name, line in ranges.items() if line.differs] == ["momentum", "n_layers"]
    assert (ranges["momentum"].second, ranges["n_layers"].second) == ("0..0.5", "3")
    assert [line.label for line in settings(found) if line.differs] == ["test set opened", "trials asked for"]
    lines = {line.label: line for line in winners(found)}
    assert lines["trial"].differs
    assert not lines["mirror"].differs
    assert next(line for line in counts(found) if line.label == "waiting").first == "0"
    tags, text = read(render_comparison(found, Surroundings(live=True), options=["", " --study b"]))
    rows = [dict(attrs).get("class") for tag, attrs in tags if tag == "tr"]
    assert rows.count("differs") == sum(
        line.differs
        for lines in (winners(found), ranges.values(), settings(found), counts(found))
        for line in lines
    )
    assert "python sweep.py confirm --study b" in text
    places = [
        text.index(words)
        for words in (
            "No verdict",
            "The winners",
            "stage by stage",
            "Progress",
            "What was searched",
            "Trials",
        )
    ]
    assert places == sorted(places)
    for stage in ("Found", "Corrected", "Confirmed", "Tested as one"):
        assert text.count(f" {stage} a ") == text.count(f" {stage} b ") == (stage != "Corrected")
    assert "Tested as one b not yet" in text


def staged(*studies):
    """Return stage, study and value of each line of the chart of both."""
    html = render_comparison(compare_studies(studies), Surroundings(live=True))
    (table,) = re.findall(r'<table class="stages">.*?</table>', html, re.DOTALL)
    cells = re.findall(r'<(?:th scope="row"|td class="(?:note|value)")>([^<]*)<', table)
    return [tuple(cells[i : i + 3]) for i in range(0, len(cells), 3)], html


def test_the_stages_of_both_stand_in_one_order_and_what_never_comes_is_a_dash(address):
    corrected = swept(address, "corrected", of(0.80), trials=4, seed=8)
    tested = make_study(30, name="a", confirmed=True, tested=True)
    kept = attributes(tested)[FINAL]
    (opening,) = attributes(tested)[OPENINGS]
    write_attribute(tested, FINAL, {**kept, "ensemble_accuracy": None, "ensemble_interval": None})
    alone = {**opening, "test_accuracies": [0.85], "models": ["a"], "ensemble_accuracy": None}
    write_attribute(tested, OPENINGS, [alone])
    for studies in ((tested, corrected), (corrected, tested)):
        lines, _ = staged(*studies)
        labels = list(dict.fromkeys(label for label, *_ in lines))
        assert labels == ["Found", "Corrected", "Confirmed", "Tested"]
        values = {(label, name): value for label, name, value in lines}
        assert values["Corrected", "a"] == "–"
        assert values["Corrected", "corrected"].endswith("%")
        assert values["Confirmed", "corrected"] == "not yet"
    assembled = make_study(30, name="b", confirmed=True, tested=True)
    values = {(label, name): value for label, name, value in staged(tested, assembled)[0]}
    assert (values["Tested as one", "a"], values["Tested as one", "b"]) == ("–", "86.15 %")


def test_scores_of_two_metrics_are_called_scores():
    studies = make_study(12, name="a"), make_study(12, name="b", metric="balanced_accuracy")
    html = staged(*studies)[1]
    assert '"Validation score (%)"' in html
    assert "Best validation score so far of both against the number of trials" in html
    assert "alidation accuracy" not in html


def test_both_figures_of_the_progress_have_one_scale():
    studies = [make_study(0, name=name) for name in "ab"]
    begin = NOW - timedelta(days=1)
    for study, first in zip(studies, (0.7, 0.8), strict=True):
        for i, (accuracy, seconds) in enumerate(((0.84, 1000), (first, 10), (0.85, 1100))):
            rest = {"state": TrialState.COMPLETE, "epochs": 20, "start": begin, "seconds": seconds}
            study.add_trial(trial(i, drawn(np.random.default_rng(i)), accuracy=accuracy, **rest))
    for html in (
        render_comparison(compare_studies(studies), Surroundings(live=True)),
        render(overview(studies[1], now=NOW), Surroundings(live=True)),
    ):
        figures = data_of(html)["figures"]
        low, high = figures["progress-trial"]["layout"]["yaxis"]["range"]
        assert [low, high] == figures["progress-time"]["layout"]["yaxis"]["range"]
        assert low < 80
        assert high > 85


def test_before_the_first_trial_there_is_a_page_too():
    found = compare_studies([make_study(0, name="a"), make_study(0, name="b")])
    _, text = read(render_comparison(found, Surroundings(live=True)))
    assert "No verdict: a and b have no complete trial yet." in text
    assert "No complete trial yet." in text


@pytest.fixture(scope="module")
def two(folder):
    url = f"sqlite:///{folder / 'two.db'}"
    storage = connect(url, create=True)
    make_study(12, name="first", storage=storage)
    make_study(8, name="second", storage=storage, seed=1)
    storage.close()
    other = f"sqlite:///{folder / 'other.db'}"
    make_study(8, name="first", storage=connect(other, create=True), seed=2)
    return url, other


def test_the_command_writes_two_studies_into_one_file(two, tmp_path, monkeypatch, capsys):
    url, other = two
    monkeypatch.chdir(tmp_path)
    words = ["export", "compare.html", "--storage", url, "--study", "first", "--study", "second"]
    assert main(words) == 0
    assert capsys.readouterr().out == "Written: compare.html\n"
    html = (tmp_path / "compare.html").read_text()
    assert "<h1>No verdict" in html
    assert f"confirm --storage {url} --study second" in html
    assert (
        "unsafe" not in html.partition("</head>")[0].partition("Content-Security-Policy")[2].partition(">")[0]
    )
    assert main([*words[:-1], f"{other}#first", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["study"] == ["first", "first"]
    _, text = read((tmp_path / "compare.html").read_text())
    assert "side by side" in text
    assert f"{other}#first" in text


@pytest.mark.parametrize(
    ("file", "studies", "code", "sentence"),
    [
        ("x.csv", ("first", "second"), 2, "x.csv holds one study: name it with one --study"),
        (
            "x.html",
            ("first", "second", "third"),
            2,
            "two studies fit side by side, not 3: name two with --study",
        ),
        ("x.html", ("first", "first"), 2, "--study names 'first' twice: name two studies"),
        ("x.html", ("first", "third"), 1, "third"),
    ],
)
def test_what_cannot_stand_side_by_side_is_said_in_a_sentence(
    two, tmp_path, monkeypatch, capsys, file, studies, code, sentence
):
    monkeypatch.chdir(tmp_path)
    words = [word for name in studies for word in ("--study", name)]
    assert main(["export", file, "--storage", two[0], *words]) == code
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / file).exists()


def test_studies_of_the_command_line_take_the_place_of_the_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.toml").write_text('study = "mine"\n')

    def names(*words):
        return [each.study for each in options_of(["export", "x.html", *words])[0].args[0].studies]

    assert names() == ["mine"]
    assert names("--study", "a", "--study", "b") == ["a", "b"]
    (tmp_path / "sweep.toml").unlink()
    assert names() == ["sweep"]
