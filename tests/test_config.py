"""Options from a file: which hold for which command, that the command line wins, and what is refused."""

import pytest

from studies.commands.main import read


@pytest.fixture
def options_of(tmp_path, monkeypatch):
    """Return the options of a command line beside a sweep.toml of some text."""
    monkeypatch.chdir(tmp_path)

    def options(text, *words, name="sweep.toml"):
        (tmp_path / name).write_text(text)
        return read(words)[0].args[0]

    return options


def test_options_hold_for_every_command_that_has_them(options_of):
    text = 'study = "mine"\ntrials = 7\nuntil-flat = true\nepoch_limit = 60.5\n[train]\nseeds = 2\n'
    run = options_of(text)
    assert (run.study, run.trials, run.until_flat, run.epoch_limit) == ("mine", 7, True, 60.5)
    train = options_of(text, "train")
    assert (train.study, train.seeds) == ("mine", 2)
    assert options_of(text, "confirm").seeds == 5
    assert options_of("until_flat = false").until_flat is False


def test_the_same_word_for_another_thing_is_left_alone(options_of):
    text = 'epochs = 5\nfrom = "old"\n[export]\nepochs = true\n'
    assert options_of(text, "effects").epochs == 5
    assert options_of(text, "export", "x.csv").epochs is True
    assert options_of("epochs = 5", "export", "x.csv").epochs is False
    assert options_of(text, "copy", "--to", "x").source == "sqlite:///sweep.db"


def test_the_command_line_wins(options_of):
    run = options_of(
        'trials = 7\nrange = {momentum = "0:0.5", n_layers = 2}', "--trials", "9", "--range", "n_layers=3"
    )
    assert run.trials == 9
    assert run.range == ("momentum=0:0.5", "n_layers=2", "n_layers=3")  # the last one counts


def test_several_values_are_written_as_lists_and_points_as_tables(options_of):
    text = 'classes = ["cat", "dog"]\ntry = [{momentum = 0.5, mirror = "True"}, "n_layers=2"]\nfrom = "old"\n'
    run = options_of(text)
    assert run.classes == ("cat", "dog")
    assert run.points == ("momentum=0.5,mirror=True", "n_layers=2")
    assert run.taken_from == "old"
    assert options_of('fix = "n_layers=2"').fix == ("n_layers=2",)


def test_the_mark_with_which_some_editors_begin_a_file_is_passed_over(options_of):
    assert options_of("\ufefftrials = 7").trials == 7


def test_a_named_file_is_read_instead(options_of):
    assert options_of("trials = 7", "--config", "other.toml", name="other.toml").trials == 7
    assert options_of("trials = 8", "--config", "other.toml").trials == 7
    assert options_of("trials = 8").trials == 8


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("trails = 7", "sweep.toml: trails is no option of any command"),
        ("[train]\ntrials = 7", None),
        ("[run]\nseeds = 7", "sweep.toml: seeds is no option of run"),
        ("run = 7", "sweep.toml: run is a command: write its options below a line [run]"),
        ("trials =", "sweep.toml is no TOML"),
        (
            "trials = 1979-05-27",
            "sweep.toml: trials holds datetime.date(1979, 5, 27), but it must be a word or a",
        ),
        ("until_flat = 1", "sweep.toml: until_flat is 1, but it must be true or false"),
        (
            "trials = -3",
            "argument --trials: '-3' is not a whole number of at least 1 (with the options in sweep.toml)",
        ),
        ('config = "x"', "sweep.toml: config is no option of any command"),
        ('sampler = "best"', "argument --sampler: invalid choice: 'best'"),
    ],
)
def test_what_is_no_option_is_said_in_a_sentence(options_of, capsys, text, sentence):
    if sentence is None:
        assert options_of(text).trials == 100
        return
    with pytest.raises(SystemExit, match="2"):
        options_of(text)
    assert sentence in capsys.readouterr().err


def test_a_missing_file_is_told_where_it_was_named(options_of, capsys):
    with pytest.raises(SystemExit, match="2"):
        options_of("", "best", "--config", "none.toml")
    assert (
        "cannot read none.toml: No such file or directory; name another with --config"
        in capsys.readouterr().err
    )
