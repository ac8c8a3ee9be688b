"""Small things that people read: words, ranges and notes, each stated as it should stand there."""

from dataclasses import is_dataclass, replace

import msgspec
import numpy as np
import pytest
from test_history import row, trials
from test_marginals import sweep, trial

from fcnet.data import Dataset
from fcnet.errors import UserError
from fcnet.model import Model
from fcnet.text import counted
from fcnet.writing import write_whole
from studies import api, program, record
from studies.analysis.axis import Axis
from studies.execution.progress import Progress
from studies.experiments.effects import Findings
from studies.experiments.marginal import effects_info
from studies.experiments.one_factor import controlled_info
from studies.experiments.report import REPORTED
from studies.experiments.results import Counts, Data
from studies.space import _GRID
from studies.storage import errors
from studies.views.figures.marginals import effects_figure
from studies.views.figures.panels import log_axis, panelled
from studies.views.note import effects_note
from studies.views.sentences import interval
from studies.views.words import duration, number


def test_numbers_and_durations_in_words() -> None:
    assert [number(v) for v in (0.123456, 1e-4, 12345, "adam")] == ["0.123", "0.0001", "12345", "adam"]
    said = {0.4: "0 s", 59: "59 s", 60: "1 min 00 s", 93.4: "1 min 33 s", 3599: "59 min 59 s"}
    said |= {3600: "1 h 00 min", 7380: "2 h 03 min"}
    assert {seconds: duration(seconds) for seconds in said} == said
    assert [counted(n, "row") for n in (0, 1, 2000)] == ["0 rows", "1 row", "2,000 rows"]
    assert interval(0.8, 0.9) == "80.00 .. 90.00 %"
    assert interval(None, 0.9) == interval(0.8, None) == ""


def test_what_is_left_is_estimated_from_the_pace_of_this_run() -> None:
    progress = Progress(
        finished=8, total=14, begun=4, pruned=0, running=1, best=None, seconds=20.0, latest=()
    )
    assert progress.seconds_left == pytest.approx(30.0)
    assert replace(progress, begun=8).seconds_left is None


def test_the_note_of_unfinished_experiments_counts_what_is_to_come() -> None:
    found = Findings(
        study="sweep-effects",
        protocol="holdout",
        measure="validation accuracy",
        data=Data("made up", "0123456789abcdef"),
        epochs=20,
        n_trials=Counts(complete=7, pruned=1, failed=0, running=3, waiting=2),
        levels={},
        tests={},
        reported={},
        info=controlled_info({}),
    )
    assert "- Trainings: 7 complete, 1 diverged, 5 to come\n" in effects_note(found)
    assert "(fingerprint 0123456789ab)" in effects_note(found)


def test_panels_share_the_width_with_gaps_in_between() -> None:
    layout = panelled([{}, {}, {}], title="", y={}).layout
    domains = [layout[name].domain for name in ("xaxis", "xaxis2", "xaxis3")]
    assert domains == [(0, 0.307), (0.347, 0.653), (0.693, 1)]


def test_a_logarithmic_axis_is_a_little_wider_than_its_values() -> None:
    assert log_axis(2, 200, [2, 20])["range"] == pytest.approx([0.201, 2.401])
    assert log_axis(10, 10, [10])["range"] == pytest.approx([0.9, 1.1])


def test_a_figure_without_trials_shows_the_upper_half() -> None:
    assert effects_figure(effects_info([])).layout.yaxis.range == (50, 100)


def test_an_accuracy_of_zero_stays_zero() -> None:
    assert [p.accuracy for p in effects_info([trial(0, 0.0), trial(1, 0.5)]).points] == [0.0, 50.0]


@pytest.mark.parametrize(("above", "seen"), [(0.9, True), (3.0, False)])
def test_the_axis_holds_a_band_that_ends_a_little_above_the_best(above: float, seen: bool) -> None:
    info = effects_info(sweep(30))
    assert info.best is not None
    values = [p.accuracy for p in info.points]
    depth = max(3 * (max(values) - float(np.median(values))), 2.0)
    end = info.best.accuracy + above * 0.3 * depth
    panels = [p if p.tuned is None else replace(p, tuned=replace(p.tuned, high=[end])) for p in info.panels]
    top = effects_figure(replace(info, panels=panels)).layout.yaxis.range[1]
    assert bool(top > end) == seen
    assert top > info.best.accuracy


def test_the_row_of_a_short_sweep_counts_trial_by_trial_and_its_ends_stand_free() -> None:
    for n, step in ((4, 1), (10, 1), (11, None), (30, None)):
        _, layout = row(trials(*(80.0 + i / 10 for i in range(n))))
        low, high = layout["xaxis4"]["range"]
        assert layout["xaxis4"].get("dtick") == step
        assert (low, high) == (
            pytest.approx(-0.01 * (n - 1), abs=0.006),
            pytest.approx(1.01 * (n - 1), abs=0.006),
        )


def test_the_band_below_the_best_has_no_frame() -> None:
    (shape,) = row(trials(82.0, 83.0), noise=0.004)[1]["shapes"]
    assert shape["line"]["width"] == 0
    assert (shape["x0"], shape["x1"]) == (0, 1)


def test_whole_numbers_get_equal_shares_of_a_range() -> None:
    units = (np.arange(1000) + 0.5) / 1000
    linear = Axis(2, 4, log=False, whole=True)
    assert np.unique(linear.snap(units), return_counts=True)[1] == pytest.approx([333, 334, 333], abs=1)
    snapped, counts = np.unique(Axis(1, 4, log=True, whole=True).snap(units), return_counts=True)
    assert snapped == pytest.approx(np.log([1, 2, 3, 4]) / np.log(4))
    shares = np.diff(np.log([0.5, 1.5, 2.5, 3.5, 4.5])) / np.log(9)
    assert counts == pytest.approx(1000 * shares, abs=1)


def test_a_range_narrower_than_one_is_mapped_onto_the_unit_interval() -> None:
    assert Axis(0.5, 0.9, log=False, whole=False).to_unit([0.5, 0.7, 0.9]) == pytest.approx([0, 0.5, 1])
    assert Axis(3.0, 3.0, log=False, whole=False).to_unit([3.0]) == pytest.approx([0])


def test_the_grid_is_the_reports() -> None:
    assert _GRID["batch_size"] == [16, 32, 64, 128, 256]
    assert _GRID["learning_rate"] == [0.001, 0.005, 0.01, 0.05, 0.1]
    assert _GRID["hidden_units"] == [32, 64, 128, 256, 512]


def test_what_the_report_published_of_its_run() -> None:
    assert REPORTED == {
        "first": {"epoch": 0, "train_loss": 0.5875, "train_accuracy": 0.6913, "validation_accuracy": 0.7465},
        "last": {"epoch": 19, "train_loss": 0.3644, "train_accuracy": 0.8478, "validation_accuracy": 0.8195},
        "best": {"epoch": 18, "validation_accuracy": 0.8205},
    }


def test_more_images_than_small_numbers_are_compared_by_their_count() -> None:
    images, labels = np.zeros((300, 4), np.uint8), np.arange(300) % 2
    Dataset.from_arrays(images, labels, images, labels)
    with pytest.raises(ValueError, match=r"300 rows in .* but 299"):
        Dataset.from_arrays(images, labels[:299], images, labels)


def test_folders_are_made_on_the_way_to_a_file(tmp_path) -> None:
    write_whole(tmp_path / "a" / "b" / "file", b"content")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"content"


def test_a_model_that_is_not_there_is_told_in_plain_words(tmp_path) -> None:
    with pytest.raises(UserError) as told:
        Model.load(tmp_path / "no.safetensors")
    path = tmp_path / "no.safetensors"
    assert str(told.value) == f"cannot read the model {path}: No such file or directory; name another file"


def test_records_cannot_be_changed() -> None:
    kinds = [
        kind for kind in vars(record).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    ]
    assert len(kinds) > 5
    assert all(kind.__struct_config__.frozen for kind in kinds)
    for kind in (record.Facts, record.Wish, record.Confirmation, record.Opening):
        with pytest.raises(TypeError):
            kind(1)  # by name alone


def test_only_what_may_pass_is_waited_for() -> None:
    import sqlite3

    from sqlalchemy.exc import DataError, OperationalError

    def made(kind, text):
        return kind("SELECT 1", {}, sqlite3.OperationalError(text))

    assert errors.passes(made(OperationalError, "database is locked"))
    assert not errors.passes(made(OperationalError, "no such table"))
    assert not errors.passes(made(DataError, "database is locked"))
    assert not errors.passes(ValueError("database is locked"))


def test_an_installed_program_on_the_path_is_named_alone(monkeypatch, tmp_path) -> None:
    script = tmp_path / "fcnet-sweep"
    script.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", [str(script)])
    assert program.command("train") == "fcnet-sweep train"
    monkeypatch.setattr("sys.argv", ["sweep.py", "fcnet-sweep"])
    assert program.command("train") == "python sweep.py train"


def test_what_a_function_of_a_notebook_does_is_asked_for_by_name() -> None:
    import inspect

    kinds = [parameter.kind.name for parameter in inspect.signature(api.effects).parameters.values()]
    assert kinds == ["POSITIONAL_OR_KEYWORD"] * 2 + ["KEYWORD_ONLY"] * (len(kinds) - 2)


def test_help_is_as_wide_as_the_terminal(monkeypatch, capsys) -> None:
    from studies.commands import main

    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit, match="0"):
        main.main(["--help"])
    text = capsys.readouterr().out
    commands = text[text.index("  best  ") :].splitlines()
    assert 50 <= max(map(len, commands)) <= 58


def test_only_blas_libraries_are_named_as_such() -> None:
    from threadpoolctl import threadpool_info

    from studies.execution.environment import environment

    named = {part.split()[0] for part in environment()["blas"].split(", ")}
    assert named == {pool["internal_api"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_bodies_of_requests_are_bounded_by_what_is_uploaded() -> None:
    from studies.dashboard.serving import READ_ONLY_BODY, UPLOAD_BODY

    assert (READ_ONLY_BODY, UPLOAD_BODY) == (65_536, 134_217_728)


def test_data_go_to_a_cluster_in_pieces_below_what_dask_warns_of() -> None:
    from studies.execution.cluster import _CHUNK_BYTES

    assert _CHUNK_BYTES == 4_194_304


def test_an_experiment_and_its_function_in_a_notebook_have_the_same_defaults() -> None:
    import inspect

    from studies.experiments import confirm, effects, report, train

    def defaults(of) -> dict[str, object]:
        parameters = inspect.signature(of).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not p.empty}

    for function, kind in (
        (api.confirm, confirm.Confirm),
        (api.train, train.Train),
        (api.effects, effects.Effects),
        (api.report, report.Report),
    ):
        one, other = defaults(function), defaults(kind)
        same = (one.keys() & other.keys()) - {"folder", "see"}
        assert "n_seeds" in same
        assert {name: one[name] for name in same} == {name: other[name] for name in same}


def test_what_is_put_together_once_is_never_changed() -> None:
    """Plain data are frozen; what changes says so here."""
    import importlib
    import pkgutil

    import fcnet
    import studies

    names = [m.name for p in (fcnet, studies) for m in pkgutil.walk_packages(p.__path__, f"{p.__name__}.")]
    found = {k for name in names for k in vars(importlib.import_module(name)).values() if is_dataclass(k)}
    own = [k for k in found if k.__module__.partition(".")[0] in ("fcnet", "studies")]
    changing = {k.__name__ for k in own if not k.__dataclass_params__.frozen}
    assert changing == {"_Array", "_Bytes", "_Drawn", "_Dtype", "_Name", "_Record"}
