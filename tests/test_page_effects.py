"""The pages of the experiments: what the command says, in figures and tables of what their studies hold."""

import re
import shlex
from html import unescape

import numpy as np
import pytest
from browser import chromium, console_errors
from conftest import write_images
from made import make_study
from optuna.trial import TrialState
from playwright.sync_api import expect
from scripted import ScriptedEpochs, text_of
from served import HOSTS, running
from test_browser_page import serious
from test_page import data_of, read

from fcnet.errors import Diverged
from studies.api import effects, open_study, report
from studies.commands import main as program
from studies.dashboard import pages
from studies.dashboard.serving import application
from studies.execution.signals import Interrupted
from studies.experiments.effects import experiment_space, findings
from studies.experiments.report import reproduction
from studies.experiments.trainings import asked_by
from studies.record import FACTS, attributes, write_attribute
from studies.record import read as kept_of
from studies.space import suggest
from studies.storage.database import connect
from studies.views.effects import cells, print_effects
from studies.views.page import Surroundings, render_study
from studies.views.page.assets import inline, inline_policy
from studies.views.report import print_reproduction

LIVE = Surroundings(live=True)  # without plotly.js in it
OF_A_SWEEP = ("luckiest", "in the search", "no difference can be told", "opened", "confirm", "not yet")


def accuracies(job):
    """Large batches are worse, all else is noise; the last of three epochs is not the best one."""
    h = job.hyperparameters
    rng = np.random.default_rng([job.seed, h.batch_size, h.hidden_units, int(1e4 * h.learning_rate)])
    last = 0.83 - 0.02 * np.log2(h.batch_size / 16) + 0.003 * rng.standard_normal()
    return [float(last) - 0.1, float(last) + 0.01, float(last)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("experiments")


@pytest.fixture(scope="module")
def url(folder):
    """A database with experiments on data that are called as the course report's are."""
    url = f"sqlite:///{folder}/sweep.db"
    data = str(write_images(folder / "cifar_2class.npz", n_train=2000, n_features=4))
    effects(url, "mine", data=data, epochs=3, n_seeds=3, backend=ScriptedEpochs(accuracies))
    report(url, "mine", data=data, epochs=3, n_seeds=3, backend=ScriptedEpochs(accuracies))
    report(url, "mine", data=data, epochs=3, protocol="holdout", backend=ScriptedEpochs(accuracies))
    return url


@pytest.fixture(scope="module")
def page(url):
    return render_study(open_study(url, "mine-effects"), LIVE)


def test_it_says_what_the_command_says_and_nothing_of_a_sweep(url, page):
    found, (_, text) = findings(open_study(url, "mine-effects")), read(page)
    said = " ".join(text_of(print_effects, found, []).split())  # it breaks long lines
    assert "Batch size makes a difference larger than noise; learning rate and hidden units cannot be" in text
    assert "256 is worse than each of 16, 32" in found.tests["batch_size"].sentence
    for test in found.tests.values():
        assert test.sentence in said
        assert text.count(test.sentence) == 2  # in the headline and under its panel
    for words in OF_A_SWEEP:
        assert words not in text
    assert "momentum 0.8, weight_decay 0.05, n_layers 3" in text
    assert "each is judged by a fifth of the training data, together by 3 different ones" in text
    assert "finished, 39 trials" in text


def test_its_tables_are_the_terminals(url, page):
    found = findings(open_study(url, "mine-effects"))
    said, (_, text) = text_of(print_effects, found, []), read(page)
    for factor in found.levels:
        for row in cells(found, factor):
            assert re.search(r"\s+".join(map(re.escape, filter(None, row))), said)
            assert " ".join(filter(None, row)) in text
    assert text.count("83.0 %") == 1  # what was published stands beside its own value


def test_its_figures_show_what_the_study_holds(url, page):
    study, data = open_study(url, "mine-effects"), data_of(page)
    found, trials = findings(study), study.get_trials()
    assert [*data["figures"]] == ["factor-batch_size", "factor-learning_rate", "factor-hidden_units"]
    for factor, levels in found.levels.items():
        bars, seeds, means, published, _ = data["figures"][f"factor-{factor}"]["data"]
        assert means["x"] == bars["x"] == [level.value for level in levels]
        for level, y, up, down in zip(
            levels, means["y"], bars["error_y"]["array"], bars["error_y"]["arrayminus"], strict=True
        ):
            ends = [y, y - down, y + up]
            expected = [level.mean, max(level.low, 0), min(level.high, 1)]
            assert ends == pytest.approx([100 * each for each in expected], abs=0.02)
        assert len(seeds["x"]) == 15
        for x, y, number in zip(seeds["x"], seeds["y"], seeds["customdata"], strict=True):
            assert trials[number].params[factor] == x
            assert y == pytest.approx(100 * trials[number].value, abs=0.01)
        reported = found.reported[factor]
        assert (published["x"], published["y"]) == ([reported.value], [round(100 * reported.accuracy, 2)])
    assert len(data["rows"]) == 39


def test_an_interval_ends_where_accuracies_do_and_other_data_have_no_published_points(images, tmp_path):
    url = f"sqlite:///{tmp_path}/sweep.db"
    wild = ScriptedEpochs(lambda job: [0.99 - 0.9 * (job.seed % 2) * (job.hyperparameters.batch_size > 64)])
    effects(url, data=str(images), epochs=1, n_seeds=2, backend=wild)
    html = render_study(open_study(url, "sweep-effects"), LIVE)
    assert "the report's: one run" not in read(html)[1]
    figure = data_of(html)["figures"]["factor-batch_size"]
    assert [trace.get("name") for trace in figure["data"]] == [None, "seeds", "mean", "chosen"]
    bars = figure["data"][0]
    assert max(y + e for y, e in zip(bars["y"], bars["error_y"]["array"], strict=True)) == pytest.approx(100)
    assert min(y - e for y, e in zip(bars["y"], bars["error_y"]["arrayminus"], strict=True)) >= 0
    low, high = figure["layout"]["yaxis"]["range"]
    assert -0.5 <= low < 0.1
    assert 100 < high <= 100.5


@pytest.mark.parametrize("ended", [0, 5])
def test_a_study_that_is_not_through_says_how_far_it_is_and_how_to_go_on(images, tmp_path, ended):
    url = f"sqlite:///{tmp_path}/sweep.db"
    backend = ScriptedEpochs(lambda job: [0.7] if len(backend.jobs) <= ended else [Interrupted()])
    with pytest.raises(Interrupted):
        effects(url, data=str(images), epochs=1, n_seeds=2, backend=backend)
    study = open_study(url, "sweep-effects")
    html = render_study(study, LIVE)
    _, text = read(html)
    assert f"stopped, {ended} of 26" in text
    assert "Too few trainings yet to tell differences from noise." in text
    assert "go on with the trainings that are missing python sweep.py effects --seeds 2 --data" in text
    assert len(data_of(html)["figures"]) == (3 if ended else 0)
    assert ("It is drawn as soon as the first training has ended." in text) == (not ended)
    study.ask()  # of another process
    html = render_study(study, LIVE)
    assert f"running, {ended} of 26" in read(html)[1]
    assert data_of(html)["running"]


def test_what_was_judged_by_the_test_set_says_so_in_its_headline(images, tmp_path):
    url = f"sqlite:///{tmp_path}/sweep.db"
    effects(url, data=str(images), epochs=3, n_seeds=1, protocol="report", backend=ScriptedEpochs())
    html = render_study(open_study(url, "sweep-effects-report"), LIVE)
    _, text = read(html)
    assert text.index("Judged on the TEST set at every trial") < text.index("One factor at a time")
    assert "a training's value is its accuracy on the TEST set of the best epoch" in text
    assert "fifth" not in text
    assert "effects --seeds 5 --protocol report --data" in text
    figures = data_of(html)["figures"]
    assert figures["factor-batch_size"]["layout"]["yaxis"]["title"]["text"] == "Test accuracy (%)"


def test_values_that_diverged_are_told(images, tmp_path):
    url = f"sqlite:///{tmp_path}/sweep.db"

    def fast(job):
        return (
            [Diverged("the training diverged after 0 epochs")]
            if job.hyperparameters.learning_rate == 0.1
            else [0.7]
        )

    effects(url, data=str(images), epochs=1, n_seeds=2, backend=ScriptedEpochs(fast))
    html = render_study(open_study(url, "sweep-effects"), LIVE)
    _, text = read(html)
    assert "Trainings: 24 complete, 2 diverged, of 1 epoch each." in text
    assert "0.1 - - - 0 (2 diverged)" in text
    assert 0.1 not in data_of(html)["figures"]["factor-learning_rate"]["data"][2]["x"]


@pytest.mark.parametrize(("name", "judged"), [("mine-report", "test"), ("mine-report-holdout", "validation")])
def test_the_reports_training_is_told_by_what_it_was_judged_by(url, name, judged):
    study = open_study(url, name)
    found, html = reproduction(study), render_study(study, LIVE)
    (_, text), data = read(html), data_of(html)
    said = text_of(print_reproduction, found, [])
    assert re.search(rf"trials? 8\d\.\d\d % {judged} accuracy in the best epoch", text)
    for line in said.splitlines():
        if line.startswith(("Seed ", "Mean of ", "The report, one run")):
            assert line in text
    for words in OF_A_SWEEP:
        assert words not in text
    assert ("TEST set" in text) == (judged == "test")
    accuracy = data["figures"]["curve-accuracy"]["data"]
    runs = [trace["y"] for trace in accuracy if f"{judged}, run" in trace.get("hovertemplate", "")]
    assert runs == [[round(100 * epoch.validation_accuracy, 4) for epoch in run] for run in found.runs]
    (best,) = [trace for trace in accuracy if trace.get("name") == "best"]
    assert best["x"] == [1] * len(found.seeds)
    assert ("published" in [trace.get("name") for trace in accuracy]) == (judged == "test")
    for run in found.runs:
        for epoch in run:
            assert f"{epoch.epoch} {epoch.train_loss:.4f}" in text


def test_a_report_that_diverged_is_told(images, tmp_path):
    url = f"sqlite:///{tmp_path}/sweep.db"
    backend = ScriptedEpochs(lambda job: [0.7, Diverged("the training diverged after 1 epoch")])
    with pytest.raises(Exception, match="diverged"):
        report(url, data=str(images), backend=backend)
    html = render_study(open_study(url, "sweep-report"), LIVE)
    _, text = read(html)
    assert "No training has finished yet." in text
    assert "Trainings: 0 complete, 1 diverged" in text
    assert data_of(html)["figures"] == {}


def test_every_command_on_the_pages_asks_for_the_same_study(url):
    for name in ("mine-effects", "mine-report", "mine-report-holdout"):
        study = open_study(url, name)
        kept = kept_of(study)
        assert asked_by(kept) == "mine"
        html = render_study(study, Surroundings(live=True, options=f" --study {asked_by(kept)}"))
        typed = [unescape(line) for line in re.findall(r'data-copy="([^"]*)"', html)]
        assert len(typed) == 2
        for line in typed:
            call, _ = program.read(shlex.split(line)[2:])
            (options,) = call.args
            assert (options.study, options.epochs, options.data) == ("mine", 3, kept.source.source)
            assert options.protocol == kept.facts.protocol


EVIL = "</script><script>window.attacked=1</script><img src=x onerror=window.attacked=2>"


def test_names_are_text_wherever_they_stand(images, tmp_path):
    url = f"sqlite:///{tmp_path}/sweep.db"
    for ask in (effects, report):
        ask(url, EVIL, data=str(images), epochs=3, backend=ScriptedEpochs())
    for name in (f"{EVIL}-effects", f"{EVIL}-report"):
        around = Surroundings(live=True, options=f" --study '{EVIL}'", studies=[(EVIL, "/?study=x", "")])
        tags, text = read(render_study(open_study(url, name), around))
        assert "img" not in [tag for tag, _ in tags]
        assert len([tag for tag, _ in tags if tag == "script"]) == 6
        assert not any(each.startswith("on") or each == "style" for _, attrs in tags for each in attrs)
        assert text.count(EVIL) > 3


def test_the_command_writes_each_page_and_refuses_what_belongs_to_another(tmp_path, monkeypatch, capsys, url):
    monkeypatch.chdir(tmp_path)
    for name in ("mine-effects", "mine-report"):
        assert program.main(["export", f"{name}.html", "--storage", url, "--study", name]) == 0
        tags, text = read((tmp_path / f"{name}.html").read_text())
        assert not [attrs for _, attrs in tags if attrs.get("src")]
        assert f"--storage {url} --study mine Copy" in text
        (policy,) = [a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
        names = ("plotly.js", "news.js", "figures.js", "table.js", "experiment.js")
        assert policy == inline_policy([inline(each) for each in names], [inline("page.css")])
    storage = connect("sqlite:///sweep.db", create=True)
    sweep = make_study(5, storage=storage)
    for part, belongs in (("sweep-confirm", "confirms"), ("sweep-train-3", "trains")):
        study = make_study(5, storage=storage, name=part)
        write_attribute(study, FACTS, {**attributes(sweep)[FACTS], belongs: "sweep"})
        capsys.readouterr()
        assert program.main(["export", "part.html", "--study", part]) == 1
        refused = capsys.readouterr().err
        assert "holds trainings that belong to another one: name the searched one, --study sweep" in refused
        assert program.main(["best", "--study", part]) == 1
        assert capsys.readouterr().err == refused
    assert not (tmp_path / "part.html").exists()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1500), ("dark", 390)])
def test_a_browser_draws_them_offline_without_an_error(url, tmp_path, scheme, width):
    drawn = {
        "mine-effects": ("factor-batch_size", "factor-learning_rate", "factor-hidden_units"),
        "mine-report": ("curve-loss", "curve-accuracy"),
    }
    with chromium() as browser:
        for name, figures in drawn.items():
            path = tmp_path / "page.html"
            path.write_text(render_study(open_study(url, name)))
            shown = browser.new_page(
                viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
            )
            errors = console_errors(shown)
            shown.goto(path.as_uri())
            shown.wait_for_selector("html[data-ready]")
            for figure in figures:
                expect(shown.locator(f'[data-figure="{figure}"] .main-svg').first).to_be_visible()
            if name == "mine-effects":
                shown.get_by_role("button", name="Trial 0", exact=True).click()
                expect(shown.locator("#table tr.chosen")).to_have_count(1)
                ring = "document.querySelector('[data-figure=factor-batch_size]').data.at(-1).x"
                shown.wait_for_function(f"{ring}.length === 1")
                assert shown.evaluate(ring) == [16]
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            assert serious(shown) == []
            assert errors == []
            shown.close()


def test_the_served_page_follows_a_run(images, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(pages, "_SHARE", 1e9)
    url = f"sqlite:///{tmp_path}/sweep.db"
    backend = ScriptedEpochs(lambda job: [0.7] if len(backend.jobs) <= 5 else [Interrupted()])
    with pytest.raises(Interrupted):
        effects(url, data=str(images), epochs=1, n_seeds=2, backend=backend)
    study = open_study(url, "sweep-effects")
    first, second = study.ask(), study.ask()
    app = application(connect(url, create=False), allowed_hosts=HOSTS)
    with running(app) as port, chromium() as browser:
        shown = browser.new_page()
        errors = console_errors(shown)
        shown.goto(f"http://127.0.0.1:{port}/")
        expect(shown.locator(".standing")).to_contain_text("running, 5 of 26")
        seeds = "document.querySelector('[data-figure=factor-learning_rate]').data[1].x.length"
        shown.wait_for_function(f"{seeds} === 1")
        assert suggest(first, experiment_space()).learning_rate == 0.01
        first.report(0.8, 0)
        study.tell(first, 0.8)
        expect(shown.locator(".standing")).to_contain_text("running, 6 of 26", timeout=30_000)
        shown.wait_for_function(f"{seeds} === 2")
        expect(shown.locator("#table tbody tr.running")).to_have_count(1)
        assert errors == []
    study.tell(second, state=TrialState.FAIL)
