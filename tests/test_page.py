"""The page as text: what it says at each stage, what it holds, and that no name in it can act."""

import io
import json
import re
import shlex
from dataclasses import replace
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from made import NOW, drawn, make_study, trial
from optuna.trial import TrialState
from rich.console import Console

import studies
from studies import record
from studies.analysis.scores import Score
from studies.commands import main as program
from studies.execution.local import InProcess
from studies.experiments.marginal import Panel, Trend
from studies.experiments.overview import overview
from studies.experiments.results import summarise
from studies.experiments.standing import Standing
from studies.record import attributes
from studies.space import DEFAULT_SPACE
from studies.views.confirm import print_confirmation
from studies.views.note import sweep_note
from studies.views.page import Surroundings, render
from studies.views.page.assets import fingerprint, inline, inline_policy
from studies.views.page.learning import curve_layouts
from studies.views.page.plots import progress_figure
from studies.views.page.stages import chart, stages
from studies.views.sentences import headline, panel_sentence, standing_sentence, sureness

LIVE = Surroundings(live=True)  # without plotly.js in it


class _Text(HTMLParser):
    """Collects a page's elements and the text outside of scripts and styles."""

    def __init__(self):
        super().__init__()
        self.tags, self.words, self._silent = [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._silent = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._silent = False

    def handle_data(self, data):
        if not self._silent:
            self.words.append(data)


def read(html):
    found = _Text()
    found.feed(html)
    return found.tags, " ".join(" ".join(found.words).replace("\u00a0", " ").split())


def data_of(html):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    return json.loads(text)


def study_of(*trials):
    """Return a study of complete trials, given by accuracy, seconds until the start, and seconds."""
    study, begin = make_study(0), NOW - timedelta(days=2)
    for i, (accuracy, start, seconds) in enumerate(trials):
        rest = {"start": begin + timedelta(seconds=start), "seconds": seconds, "epochs": 20}
        params = drawn(np.random.default_rng(i))
        study.add_trial(trial(i, params, state=TrialState.COMPLETE, accuracy=accuracy, **rest))
    return overview(study, now=NOW)


def test_classes_are_named_where_they_were_chosen(images, url):
    study = studies.search(studies.Plan(url, trials=1, data=images, epochs=1), backend=InProcess())
    assert record.read(study).source.classes == []
    assert "airplane" not in render(overview(study, now=NOW), LIVE)
    assert "(airplane, ship)" in render(overview(make_study(1), now=NOW), LIVE)


def test_against_time_the_best_so_far_is_what_was_known_then():
    found = study_of((0.8, 0, 10), (0.91, 0, 1000), (0.9, 12, 8))

    def best(against):
        (line,) = [t for t in progress_figure(found, against=against)["data"] if t.get("mode") == "lines"]
        return list(zip(line["x"], line["y"], strict=True))

    assert best("trials") == [(0, 80), (1, 91), (2, 91)]
    assert [y for _, y in best("time")] == [80, 90, 91, 91]
    assert [60 * x for x, _ in best("time")] == pytest.approx([10, 20, 1000, 1000], rel=0.01)


def test_times_are_those_of_work_however_many_pauses_there_were():
    found = study_of(*((0.8, 400 * i, 30) for i in range(100)))
    assert [row.ended for row in found.rows] == [30.0 * (i + 1) for i in range(100)]


def test_scales_end_where_there_is_nothing_more():
    told = chart(
        [("Tested", "", "stage", Score(1.0, 0.9, 1.0, 4)), ("Found", "", "stage", Score(0.0, None, None, 1))]
    )
    assert {0.0, 100.0} <= {float(words) for _, words in told.ticks}
    assert [at for at, words in told.ticks if float(words) in (0, 100)] == [0, 100]
    (tested,) = [stage for stage in told.stages if stage.label == "Tested"]
    assert tested.at == tested.high == 100
    assert curve_layouts(3)["loss"]["xaxis"]["dtick"] == 1  # there are no halves of epochs
    assert "dtick" not in curve_layouts(20)["loss"]["xaxis"]
    for n in (1, 2, 3, 20):
        low, high = curve_layouts(n)["accuracy"]["xaxis"]["range"]
        assert 0 < low < 1  # the first epoch
        assert n < high < n + 1


@pytest.fixture(scope="module")
def trained():
    return overview(make_study(60, confirmed=True, tested=True), now=NOW)


def test_the_answer_comes_first_and_everything_has_its_place(trained):
    html = render(trained, LIVE)
    tags, text = read(html)
    order = [
        "of the untouched test images",
        "stage by stage",
        "What batch size, learning rate and hidden units do",
    ]
    order += [
        "Progress",
        "Learning curves",
        "Confirmation",
        "What to do next",
        "All trials",
        "How this was made",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    figures = [attrs["data-figure"] for _, attrs in tags if "data-figure" in attrs]
    assert figures[:3] == ["effect-batch_size", "effect-learning_rate", "effect-hidden_units"]
    assert {"progress-trial", "progress-time", "curve-loss", "curve-accuracy"} < {*figures}
    (winner,) = [row for row in trained.rows if row.trial == trained.summary.scores.trial]
    for name, value in winner.params.items():
        assert f"{name} {value:.3g}" in text if isinstance(value, float) else name in text
    assert trained.kept.facts.data[:12] in text


def test_what_the_figures_show_is_what_the_study_holds(trained):
    data = data_of(render(trained, LIVE))
    best, baseline = trained.summary.trial, trained.baseline
    assert (data["best"], data["baseline"]) == (best, baseline)
    for name in ("batch_size", "learning_rate", "hidden_units"):
        traces = {trace.get("name"): trace for trace in data["figures"][f"effect-{name}"]["data"]}
        assert traces["best"]["customdata"] == [best]
        assert traces["best"]["x"] == [pytest.approx(trained.summary.params[name], rel=1e-3)]
        assert traces["best"]["y"] == [pytest.approx(100 * trained.summary.value, abs=0.01)]
        assert traces["baseline"]["customdata"] == [baseline]
        drawn = [
            t for trace in data["figures"][f"effect-{name}"]["data"] for t in trace.get("customdata", [])
        ]
        assert {*drawn} == {row.trial for row in trained.rows}  # complete, pruned and diverged ones
    assert [row[0] for row in data["rows"]] == [row.trial for row in trained.rows]
    epochs, train_loss, *_ = data["curves"][str(best)]
    assert len(epochs) == len(train_loss) == 20


def test_after_a_confirmation_the_page_is_about_its_winner_and_says_which_trial_the_star_is(trained):
    best, winner = trained.summary.trial, trained.summary.scores.trial
    assert best != winner
    html = render(trained, LIVE)
    _, text = read(html)
    score, best_score = trained.summary.scores, 100 * trained.summary.value
    card = text[text.index(f"Winner, trial {winner}") :]
    assert card.startswith(
        f"Winner, trial {winner} {100 * score.confirmed.mean:.2f} %"
        f" confirmed; in the search {100 * score.search.mean:.2f} % Its parameters batch_size "
    )
    assert f"Best of the search, trial {best}: {best_score:.2f} %" in card
    assert f"best of the search, trial {best} winner, trial {winner} baseline" in text
    assert f"python sweep.py reproduce {winner}" in html
    assert f"python sweep.py reproduce {best}" not in html
    data = data_of(html)
    assert (data["best"], data["winner"]) == (best, winner)
    for figure in ("effect-batch_size", "progress-trial", "progress-time"):
        drawn = {trace.get("name"): trace for trace in data["figures"][figure]["data"]}
        assert (drawn["best"]["customdata"], drawn["winner"]["customdata"]) == ([best], [winner])
    alone = render(overview(make_study(20), now=NOW), LIVE)
    assert "Winner" not in read(alone)[1]
    drawn = data_of(alone)["figures"]["progress-trial"]["data"]
    assert "winner" not in [trace.get("name") for trace in drawn]


def test_the_stages_stand_on_one_scale_beside_baseline_and_report(trained):
    chart = stages(trained.summary)
    found = {stage.label: stage for stage in chart.stages}
    assert list(found) == [
        *("Found", "Confirmed", "Tested", "Tested as one"),
        *("Baseline", "Baseline, confirmed", "Published"),
    ]
    assert found["Tested as one"].value == "86.15 %"
    assert found["Published"].value == "82.05 %"
    assert all(0 <= stage.at <= 100 for stage in chart.stages)
    assert found["Confirmed"].low < found["Confirmed"].at < found["Confirmed"].high
    elsewhere = overview(make_study(5, data="photos.npz"), now=NOW)
    assert "Published" not in [stage.label for stage in stages(elsewhere.summary).stages]  # another task


def test_one_page_writes_its_numbers_in_one_way(trained):
    html = render(trained, LIVE)
    _, text = read(html)
    found = {stage.label: stage for stage in stages(trained.summary).stages}
    confirmed = trained.summary.confirmation
    (winner,) = [c for c in confirmed.candidates if c.trial == trained.summary.scores.trial]
    within = f"{100 * winner.low:.2f} .. {100 * winner.high:.2f} %"
    assert found["Confirmed"].interval == within
    assert text.count(within) == 2  # in the chart and in the table
    assert "Std (points)" in text
    order = [int(n) for n in re.findall(r'<th scope="row">trial (\d+)', html)]
    console = Console(width=200, record=True, file=io.StringIO())
    print_confirmation(console, confirmed, trained.summary)
    terminal = re.findall(r"^\W*trial (\d+)", console.export_text(), re.MULTILINE)
    assert order == [int(n) for n in terminal[: len(order)]] != sorted(order)


def test_the_headline_says_what_is_known_and_how_sure_it_is():
    said = [
        (headline(found), sureness(found))
        for found in (
            summarise(make_study(0)),
            summarise(make_study(40)),
            summarise(make_study(40, confirmed=True)),
            summarise(make_study(40, confirmed=True, tested=True)),
        )
    ]
    assert said[0] == ("No training has finished yet.", "")
    assert "validation accuracy in the search, 4.38 points above the course report's" in said[1][0]
    assert "partly the luckiest" in said[1][1]
    assert "on fresh seeds" in said[2][0]
    assert "is the cheapest of those that tie" in said[2][1]
    assert "names the class of 86.15 % of the untouched test images correctly" in said[3][0]
    assert "opened 1 time" in said[3][1]


def test_the_note_begins_with_the_sentence_of_the_page():
    summary = summarise(make_study(20))
    assert sweep_note(summary).startswith(f"**{headline(summary)}**")


def panel(told, behind):
    grid = [16.0, 32.0, 64.0, 128.0, 256.0]
    mean = [85.0 - b for b in behind]
    return Panel("batch_size", 16, 256, True, None, Trend(grid, mean, mean, mean, behind, told))


@pytest.mark.parametrize(
    ("told", "behind", "sentence"),
    [
        ([0, 0, 0, 0, 0], [0.1, 0, 0.1, 0.2, 0.3], "Between 16 and 256 no difference can be told."),
        (
            [0, 0, 0, 1, 1],
            [0.1, 0, 0.1, 1.0, 2.04],
            "Between 16 and 64 no difference can be told; 256 costs about 2 points.",
        ),
        (
            [1, 0, 0, 1, 1],
            [0.96, 0, 0.1, 1.0, 1.4],
            "Between 32 and 64 no difference can be told; 256 costs about 1.4 points;"
            " 16 costs about 1 point.",
        ),
        (
            [1, 1, 0, 1, 1],
            [3, 2, 0, 2, 3],
            "Best near 64; 256 costs about 3 points; 16 costs about 3 points.",
        ),
        ([0, 1, 0, 0, 0], [0.2, 1, 0, 0.1, 0.1], "Between 64 and 256 no difference can be told."),
    ],
)
def test_a_panel_says_in_words_what_it_shows(told, behind, sentence):
    assert panel_sentence(panel([bool(t) for t in told], behind)) == sentence


@pytest.mark.parametrize(("value", "sentence"), [(1024, "Fixed at 1024."), (0.0125, "Fixed at 0.0125.")])
def test_what_is_fixed_is_said_to_be(value, sentence):
    trend = Trend([value], [85.0], [84.0], [86.0], [0.0], [False])
    for tuned in (None, trend):
        assert panel_sentence(Panel("hidden_units", value, value, True, None, tuned)) == sentence


def within_the_space(study, **ranges):
    """Return what the page shows of a study of such a space."""
    kept = attributes(study)[record.FACTS]
    record.write_attribute(study, record.FACTS, {**kept, "space": {**kept["space"], **ranges}})
    return overview(study, now=NOW)


@pytest.mark.parametrize(
    ("ranges", "title", "figures"),
    [
        (
            {"batch_size": "32..32 (log)", "momentum": "0.5..0.5"},
            "What learning rate and hidden units do",
            ["learning_rate", "hidden_units"],
        ),
        (
            {"batch_size": "32..32 (log)", "learning_rate": "0.01..0.01 (log)"},
            "What hidden units do",
            ["hidden_units"],
        ),
        (
            dict.fromkeys(("batch_size", "learning_rate", "hidden_units"), "1..1"),
            "What the hyperparameters do",
            [],
        ),
    ],
)
def test_what_is_fixed_has_no_panel_and_no_range(ranges, title, figures):
    html = render(within_the_space(make_study(12), **ranges), LIVE)
    tags, text = read(html)
    assert text.count(title) == 1
    found = [attrs["data-figure"] for _, attrs in tags if "data-figure" in attrs]
    effects = [name for name in data_of(html)["figures"] if name.startswith("effect-")]
    assert found[: len(effects)] == effects
    main = ("batch_size", "learning_rate", "hidden_units")
    assert [n for n in effects if n.removeprefix("effect-") in main] == [f"effect-{n}" for n in figures]
    assert "effect-n_layers" in effects
    assert ("The other hyperparameters" in text) == bool(figures)
    space = [name for name in DEFAULT_SPACE if name in ranges]
    told = ", ".join(f"{name} {ranges[name].split('..')[0]}" for name in space)
    assert f" Fixed: {told}. " in text
    for name, words in ranges.items():
        assert f"{name} {words.split('..')[0]}; " in text
        assert words not in text


def test_what_cannot_be_said_yet_is_not_said():
    assert panel_sentence(Panel("batch_size", 16, 256, True, None, None)).startswith(
        "Too few complete trials"
    )


def test_a_real_effect_is_told_and_none_is_not():
    panels = {p.name: p for p in overview(make_study(100), now=NOW).effects.panels}
    assert "costs about" in panel_sentence(panels["learning_rate"])  # 4 points at the lower end
    assert "costs" not in panel_sentence(panels["whitening"])  # it does nothing to these made-up scores


@pytest.mark.parametrize(
    ("standing", "sentence"),
    [
        (Standing(37, 100, 2, None, 118.0), "running, 37 of 100, about 2 min left"),
        (Standing(0, 100, 2, None, None), "running, 0 of 100"),
        (Standing(37, 100, 2, 600.0, None), "interrupted? 37 of 100, no sign for 10 min 00 s"),
        (Standing(37, 100, 0, None, None), "stopped, 37 of 100"),
        (Standing(100, 100, 0, None, None), "finished, 100 trials"),
        (Standing(7, None, 1, None, None), "running, 7"),
    ],
)
def test_where_a_sweep_stands_is_a_few_words(standing, sentence):
    assert standing_sentence(standing) == sentence


def test_the_time_left_comes_from_the_pace_and_silence_is_noticed():
    study = make_study(40, asked=100, running=2)
    found = overview(study, now=NOW).standing
    assert (found.finished, found.asked, found.running, found.is_running) == (40, 100, 2, True)
    assert found.seconds_left == pytest.approx(6 * 60, rel=0.1)
    later = overview(study, now=NOW + timedelta(hours=1)).standing
    assert not later.is_running
    assert later.silent == pytest.approx(3600, abs=60)


def test_a_pause_is_no_work_however_it_began():
    """Fifty trials of ten seconds, two days later three more and one that runs."""
    study = make_study(0, asked=100)

    def add(number, start, state=TrialState.COMPLETE, seconds=10.0, **options):
        params, start = drawn(np.random.default_rng(number)), NOW + timedelta(seconds=start)
        rest = {"accuracy": 0.8, "epochs": 20, "start": start, "seconds": seconds, **options}
        study.add_trial(trial(number, params, state=state, **rest))

    later = 2 * 24 * 3600.0
    for i in range(50):
        add(i, 10.0 * i)
    add(50, 500.0, TrialState.FAIL, seconds=later - 500.0, reason=record.INTERRUPTED)  # told when it went on
    for i in range(3):
        add(51 + i, later + 10.0 * i)
    add(54, later + 30.0, TrialState.RUNNING)
    found = overview(study, now=NOW + timedelta(seconds=later + 35.0))
    assert found.standing.seconds_left == pytest.approx(47 * 10)
    assert found.rows[53].ended == pytest.approx(530.0)


def test_every_command_on_the_page_is_understood(trained):
    for shown in (trained, overview(make_study(30, asked=50), now=NOW)):
        html = render(shown, replace(LIVE, options=" --study 'two words'"))
        typed = [unescape(line) for line in re.findall(r'data-copy="([^"]*)"', html)]
        assert any("--trials" in line for line in typed)
        for line in typed:
            assert line.startswith("python sweep.py")
            assert line.endswith("--study 'two words'")
            call, _ = program.read(shlex.split(line)[2:])
            assert callable(call)


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}\u2028"


def test_names_are_text_wherever_they_stand():
    study = make_study(30, name=EVIL, data=EVIL, confirmed=True)
    for around in (
        LIVE,
        Surroundings(studies=[(EVIL, "/?study=x", "/compare?study=y&with=x")], dashboard="/dashboard"),
    ):
        tags, text = read(render(overview(study, now=NOW), around))
        assert ["img", "x"] not in [[tag, attrs.get("src")] for tag, attrs in tags]
        scripts = [attrs for tag, attrs in tags if tag == "script"]
        assert len(scripts) == 6  # plotly.js, ours, the data
        assert not any(name.startswith("on") or name == "style" for _, attrs in tags for name in attrs)
        assert "<script>alert(1)</script>" in text
        assert "{{ 7*7 }}" in text


def test_the_page_in_one_file_needs_nothing_else_and_allows_nothing_else(trained):
    html = render(trained)
    tags, _ = read(html)
    assert not [attrs for _, attrs in tags if attrs.get("src")]
    links = [attrs["href"] for _, attrs in tags if attrs.get("href")]
    assert [link for link in links if not link.startswith(("#", "data:"))] == []
    (policy,) = [a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert "unsafe" not in policy
    names = ("plotly.js", "news.js", "figures.js", "table.js", "page.js")
    assert policy == inline_policy([inline(name) for name in names], [inline("page.css")])


def test_plotly_is_as_its_makers_published_it():
    published = "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"  # basic, 4.1.1
    assert fingerprint("plotly.js") == published


def test_a_thousand_trials_fit_into_two_megabytes():
    html = render(overview(make_study(1000, confirmed=True), now=NOW))
    assert len(html.encode()) < 2_000_000
    assert len(data_of(html)["rows"]) == 1000


def test_the_command_writes_the_page_and_says_so(tmp_path, monkeypatch, capsys):
    from studies.storage.database import connect

    monkeypatch.chdir(tmp_path)
    study = make_study(12, storage=connect("sqlite:///sweep.db", create=True))
    assert program.main(["export", "page.html"]) == 0
    assert capsys.readouterr().out == "Written: page.html\n"
    html = (tmp_path / "page.html").read_text()
    assert len(data_of(html)["rows"]) == 12
    assert "python sweep.py confirm" in html
    assert program.main(["export", "page.doc"]) == 2
    assert (
        "page.doc has none of the endings that can be written: choose one of .html" in capsys.readouterr().err
    )
    assert attributes(study)["asked"]["trials"] == 12
