"""What a study was started with is kept, and compared when it is opened."""

import msgspec
import optuna
import pytest
from conftest import facts

from fcnet.errors import UserError
from studies.record import attributes, key_of, read, write_attribute
from studies.storage.study import load_study, open_study, widen

FACTS = facts(data_name="synthetic", epochs=20, space={"lr": "0.1..1"})
KEPT = FACTS.as_kept()


def test_a_study_keeps_its_facts_direction_and_metric_name(storage):
    study = open_study(storage, "a", facts=FACTS)
    assert attributes(study) == {"facts": KEPT}
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.metric_names == ["validation_accuracy"]
    again = open_study(storage, "a", facts=FACTS)
    assert again._study_id == study._study_id


def test_a_study_of_version_0_1_0_is_read_where_that_kept_its_facts(storage):
    study = optuna.create_study(storage=storage, study_name="a", direction="maximize")
    study.set_user_attr("facts", KEPT)
    assert read(open_study(storage, "a", facts=FACTS)).facts == FACTS
    assert storage.get_study_system_attrs(study._study_id) == {}
    wider = msgspec.structs.replace(FACTS, space={"lr": "0.01..1"})
    widen(study, wider)  # what is written from now on counts
    assert read(study).facts == wider
    assert study.user_attrs == {"facts": KEPT}


def test_what_the_program_keeps_of_a_study_is_not_shown_by_optuna_dashboard(storage):
    study = open_study(storage, "a", facts=FACTS)
    assert study.user_attrs == {}
    assert storage.get_study_system_attrs(study._study_id)[key_of("facts")] == KEPT


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"epochs": 10},
            "epochs 20, not 10: give the same --epochs as before, or start another",
        ),
        (
            {"space": {"lr": "0.1..0.5"}},
            "space.lr 0.1..1, not 0.1..0.5: give the same --range as before, or start another study",
        ),
        ({"space": {"lr": "0.1..1", "n": "1..2"}}, "space.n (none), not 1..2: start another study with"),
        (
            {"space": {"lr": "0.1..0.5", "n": "1..2"}, "epochs": 10},
            "space.n (none), not 1..2: start another study with --study NAME; --from a counts its",
        ),
        ({"space": {"lr": "0.01..1 (log)"}}, "space.lr 0.1..1, not 0.01..1 (log)"),
        (
            {"data": "cd34", "data_name": "cifar10"},
            "data synthetic (fingerprint a), not cifar10 (fingerprint cd34): give the same --data as",
        ),
    ],
)
def test_other_facts_are_refused_with_both_values_and_the_mend(storage, change, sentence):
    study = open_study(storage, "a", facts=FACTS)
    with pytest.raises(UserError) as caught:
        open_study(storage, "a", facts=msgspec.structs.replace(FACTS, **change))
    assert sentence in str(caught.value)
    assert attributes(study) == {"facts": KEPT}


@pytest.mark.parametrize(
    ("number", "mend"),
    [(2, "run pip install --upgrade fcnet-sweep"), (0, "go on with the version that made it")],
)
def test_a_study_of_another_format_is_told_so_and_left_as_it_is(storage, number, mend):
    study = open_study(storage, "a", facts=FACTS)
    write_attribute(study, "facts", {"format": number, "other": "things"})
    sentence = f"has format {number}, this program writes format 1: {mend}"
    with pytest.raises(UserError, match=sentence):
        open_study(storage, "a", facts=FACTS)
    with pytest.raises(UserError, match=sentence):
        read(study)
    assert attributes(study) == {"facts": {"format": number, "other": "things"}}


def test_a_wider_space_goes_on_and_what_it_was_is_kept(storage):
    study = open_study(storage, "a", facts=FACTS)
    wider = msgspec.structs.replace(FACTS, space={"lr": "0.05..2"})
    study = open_study(storage, "a", facts=wider)
    assert attributes(study) == {"facts": KEPT}  # until somebody has the right to run trainings
    widen(study, wider)
    widen(study, wider)
    assert attributes(study) == {"facts": wider.as_kept(), "facts_before": [{"trials": 0, "lr": "0.1..1"}]}
    with pytest.raises(UserError, match=r"space.lr 0.05..2, not 0.1..1: give the same --range as before"):
        open_study(storage, "a", facts=FACTS)


def test_a_study_whose_maker_died_early_is_finished(storage):
    storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "a")
    study = open_study(storage, "a", facts=FACTS)
    assert attributes(study) == {"facts": KEPT}
    assert study.metric_names == ["validation_accuracy"]


def test_a_study_of_another_maker_is_refused(storage):
    optuna.create_study(study_name="down", storage=storage)
    up = optuna.create_study(study_name="up", storage=storage, direction="maximize")
    up.add_trial(optuna.trial.create_trial(value=1.0))
    for name in ("down", "up"):
        with pytest.raises(UserError, match="not made by this program: choose another --study NAME"):
            open_study(storage, name, facts=FACTS)
    assert not attributes(up)


def test_of_two_that_open_a_new_study_at_once_the_first_decides(storage):
    study_id = storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "a")
    storage.add_study_system_attr(study_id, "facts", {"epochs": 1})
    storage.add_study_system_attr(study_id, "facts", {"epochs": 2})
    assert storage.get_study_system_attrs(study_id) == {"facts": {"epochs": 1}}


def test_reading_finds_the_study_or_lists_those_there_are(storage):
    with pytest.raises(UserError, match=r"no study in sqlite:.* yet: start one with python sweep\.py"):
        load_study(storage, None)
    open_study(storage, "b", facts=FACTS)
    assert load_study(storage, None).study_name == "b"
    open_study(storage, "a", facts=FACTS)
    open_study(storage, "a-confirm", facts=msgspec.structs.replace(FACTS, confirms="a"))  # is not chosen
    assert load_study(storage, "b").study_name == "b"
    with pytest.raises(UserError, match=r"no study 'c' in .*: choose one with --study: a, b$"):
        load_study(storage, "c")
    with pytest.raises(UserError, match=r"holds several studies: choose one with --study: a, b$"):
        load_study(storage, None)
