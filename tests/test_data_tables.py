"""Tables: text and Parquet, numbers and words, missing values, and a rule that a model keeps."""

import io

import numpy as np
import pytest
from datafiles import FUZZ
from hypothesis import given
from hypothesis import strategies as st

from fcnet.data import Reading, files, load, tables
from fcnet.data.form import Column, TableForm, form_from, form_text
from fcnet.data.holdout import test_rows as rows_aside
from fcnet.data.unseen import load_unseen
from fcnet.errors import UsageError, UserError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

HEADER = ["size", "colour", "weight", "kind"]
KINDS = ["apple", "fig", "pear"]
ROWS = [
    [f"{1.5 + i % 7 + 3 * (i % 3)}", ["red", "green"][i % 2], str(i % 5), KINDS[i % 3]] for i in range(60)
]


def text(rows=ROWS, header=HEADER, delimiter=","):
    return "\n".join(delimiter.join(row) for row in ([header, *rows] if header else rows)) + "\n"


def read(content, reading=Reading(), said=None):
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return files.read(file, "fruit.csv", reading, (said if said is not None else []).append)


def arrow_bytes(columns, **options):
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file, **options)
    return file.getvalue()


def columns():
    size, colour, weight, kind = zip(*ROWS, strict=True)
    return {
        "size": [float(s) for s in size],
        "colour": colour,
        "weight": [int(w) for w in weight],
        "kind": kind,
    }


def test_numbers_stay_as_they_are_and_words_become_one_value_each():
    said = []
    data = read(text(), said=said)
    assert data.form == TableForm((Column("size"), Column("colour", ("green", "red")), Column("weight")))
    assert (data.images.shape, data.images.dtype, data.test_size) == ((48, 4), np.float32, 12)
    assert data.class_names == ("apple", "fig", "pear")
    both = np.concatenate([data.images, data.open_test()[0]])
    expected = [[float(s), c == "green", c == "red", float(w)] for s, c, w, _ in ROWS]
    assert sorted(both.tolist()) == sorted(expected)
    assert (
        said[0] == "The classes are in the last column of fruit.csv, kind; --label COLUMN names another one."
    )
    assert "12 of its 60 rows" in said[1]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_every_form_gives_the_same_data(delimiter):
    expected = read(text())
    for content in (text(delimiter=delimiter), "\ufeff" + text(delimiter=delimiter).replace("\n", "\r\n")):
        assert read(content).fingerprint == expected.fingerprint
    for kind in (
        pyarrow.string(),
        pyarrow.large_string(),
        pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
    ):
        table = {**columns(), "colour": pyarrow.array(columns()["colour"]).cast(kind)}
        assert read(arrow_bytes(table, row_group_size=7)).fingerprint == expected.fingerprint


def test_empty_lines_in_front_of_the_names_are_no_rows():
    assert read("\n\r\n" + text()).fingerprint == read(text()).fingerprint
    assert read("\n\n" + text(header=None)).fingerprint == read(text(header=None)).fingerprint


def test_another_column_holds_the_classes():
    data = read(text(), Reading(label="colour"))
    assert data.class_names == ("green", "red")
    assert [column.name for column in data.form.columns] == ["size", "weight", "kind"]
    with pytest.raises(
        UsageError, match=r"--label color: fruit\.csv has no such column; it has size, colour, we"
    ):
        read(text(), Reading(label="color"))


def test_a_table_without_names_and_one_with_pandas_numbers_of_rows():
    said = []
    data = read(text(header=None), said=said)
    assert [column.name for column in data.form.columns] == ["1", "2", "3"]
    assert said[0] == "fruit.csv begins with numbers, not with names: its columns are called 1 to 4."
    assert data.fingerprint == read(text()).fingerprint
    said = []
    numbered = [[str(i), *row] for i, row in enumerate(ROWS)]
    assert read(text(numbered, ["", *HEADER]), said=said).fingerprint == data.fingerprint
    assert said[0] == "fruit.csv has a column without a name, such as numbers of rows: it is left out."


def with_gaps():
    rows = [list(row) for row in ROWS]
    rows[0][0], rows[5][0], rows[7][1] = "", "NA", "?"
    return rows


def test_missing_values_are_counted_per_column_or_filled():
    with pytest.raises(UserError) as error:
        read(text(with_gaps()))
    assert str(error.value) == (
        "fruit.csv has missing values (size 2, colour 1): fill them in, or say --impute median"
    )
    data = read(text(with_gaps()), Reading(impute="median"))
    is_test = rows_aside(np.arange(60) % 3, KINDS, "fruit")
    gapped = zip(with_gaps(), is_test, strict=True)
    known = [float(row[0]) for row, held in gapped if not held and row[0] not in ("", "NA")]
    assert data.form.impute
    assert data.form.columns[0].median == np.median(known)  # of the development rows alone
    everything = np.concatenate([data.images, data.open_test()[0]])
    assert sum(everything[:, 1:3].sum(axis=1) == 0) == 1  # neither green nor red
    gaps = columns() | {"size": [None, float("nan"), *columns()["size"][2:]]}
    with pytest.raises(UserError, match=r"missing values \(size 2\)"):
        read(arrow_bytes(gaps))


def numbers(n):
    """Return rows whose first cell is another number each."""
    return [[f"{i}.5", *ROWS[i % 60][1:]] for i in range(n)]


BAD = {
    "no columns": ("some words\nand more\n", "is text without columns"),
    "no rows": (text([]), "fruit.csv has no rows"),
    "ragged rows": (text([*ROWS, ["1", "red"]]), "is no readable table (CSV parse error"),
    "twins": (text(header=["a", "a", "b", "c"]), "has several columns called a"),
    "a lacking label": (
        text([*ROWS, ["1", "red", "2", ""]]),
        "lacks 1 label in the column kind: fill it in, or leave this row out",
    ),
    "lacking labels": (
        text([*ROWS, *[["1", "red", "2", ""]] * 2]),
        "lacks 2 labels in the column kind: fill them in, or leave these rows out",
    ),
    "quantities": (
        text([row[::-1] for row in ROWS], HEADER[::-1]),
        "a label must be a whole number or a word",
    ),
    "names of rows": (
        text([[f"row {i}", str(i % 2)] for i in range(1200)], ["id", "kind"]),
        "the column id of fruit.csv holds 1,200 different words, more than 1,000: leave it out",
    ),
    "infinite": (
        text([["inf", *ROWS[0][1:]], *ROWS]),
        "the column size of fruit.csv holds inf, but every number must be below 1e15 in size: mend it",
    ),
    "huge": (
        text([[ROWS[0][0], "red", f"-1{'0' * 30}", "fig"], *ROWS]),
        "the column weight of fruit.csv holds -1e+30, but every number",
    ),
    "UTF-16": (text().encode("utf-16"), "fruit.csv is text in UTF-16: save it in UTF-8"),
    "UTF-16, the other way": (("\ufeff" + text()).encode("utf-16-be"), "is text in UTF-16: save it in UTF-8"),
    "a single odd cell": (
        text([["n.a.", *ROWS[0][1:]], *numbers(199)]),
        "the column size of fruit.csv holds numbers but for 1 cell, 'n.a.': mend it, or leave it empty"
        " and say --impute median",
    ),
    "odd cells": (
        text([["n.a.", *ROWS[0][1:]], ["-", *ROWS[0][1:]], ["", *ROWS[0][1:]], *numbers(18)]),
        "holds numbers but for 2 cells, such as 'n.a.': mend them, or leave them empty and"
        " say --impute median",
    ),
    "an odd text": (text([["x" * 90, *ROWS[0][1:]], *numbers(2000)]), f"for 1 cell, '{'x' * 40}': mend it"),
    "Latin-1": (text().replace("red", "röd").encode("latin-1"), "is text, but not in UTF-8"),
    "lists": (arrow_bytes({"a": [[1], [2]], "b": ["x", "y"]}), "the column a of fruit.csv holds list<"),
    "dates": (
        arrow_bytes({"a": np.arange(2).astype("M8[ms]"), "b": ["x", "y"]}),
        "holds timestamp[ms]: turn it into numbers or words",
    ),
    "cut Parquet": (arrow_bytes(columns())[:-9], "is no readable table"),
    "a text for a label": (
        text([[str(i), "abc" * 400] for i in range(40)] + [["1", "b"]], ["size", "note"]),
        "the column note in fruit.csv holds 2 different labels, the longest of 1,200 letters: at most",
    ),
    "a label for each row": (
        text([[str(i), f"label {i}"] for i in range(1200)], ["size", "note"]),
        "the column note in fruit.csv holds 1,200 different labels, the longest of 10 letters: at most 1,000",
    ),
    "no names": (text(header=["", "", "", ""]), "fruit.csv has no column with a name: give its columns"),
    "one column": (arrow_bytes({"kind": ["x", "y"] * 9}), "has no column besides kind"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_told_in_a_sentence(case):
    content, words = BAD[case]
    with pytest.raises(UserError) as error:
        read(content)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_options_of_other_forms_are_refused(tmp_path, images):
    with pytest.raises(
        UsageError, match=r"--image-size says nothing here, for fruit\.csv is a table: leave it out"
    ):
        read(text(), Reading(image_size=8))
    with pytest.raises(UsageError, match=r"--label says nothing here, for images\.npz is no table"):
        load(str(images), reading=Reading(label="x"))
    with pytest.raises(UsageError, match=r"--impute says nothing here, for synthetic is neither"):
        load("synthetic", reading=Reading(impute="median"))


def test_too_many_cells_are_refused_before_they_are_kept(monkeypatch):
    from fcnet.data import arrow

    monkeypatch.setattr(arrow, "MAX_CELLS", 100)
    with pytest.raises(UserError, match=r"holds more than 1 GiB of values"):
        read(text())
    with pytest.raises(UserError, match=r"holds more than 1 GiB of values"):
        read(arrow_bytes(columns()))
    monkeypatch.undo()
    monkeypatch.setattr(tables, "MAX_CELLS", 100)
    with pytest.raises(UserError, match=r"60 rows of 4 values, one for each word"):
        read(text())


def test_the_form_turns_other_tables_of_that_kind_into_the_same_rows(tmp_path):
    data = read(text(with_gaps()), Reading(impute="median"))
    form = form_from(form_text(data.form))
    assert form == data.form
    new, said = tmp_path / "new.csv", []
    # Other columns, in another order; a word that is new; a missing number.
    new.write_text("extra,weight,colour,size\nx,3,red,2.5\ny,4,blue,\n")
    found = load_unseen(str(new), form, say=said.append).rows
    median = form.columns[0].median
    assert found.tolist() == [[2.5, 0, 1, 3], [median, 0, 0, 4]]
    assert said == ["new.csv holds 1 word that the model does not know: it counts as none of its own."]
    new.write_text("weight,colour,size\n3,blue,2.5\n4,blue,1\n")
    load_unseen(str(new), form, say=said.append)
    assert said[1:] == ["new.csv holds 2 words that the model does not know: they count as none of its own."]
    (tmp_path / "new.parquet").write_bytes(arrow_bytes({"colour": ["red"], "size": [2.5], "weight": [3]}))
    assert load_unseen(str(tmp_path / "new.parquet"), form, say=print).rows.tolist() == [[2.5, 0, 1, 3]]
    new.write_text("weight,colour\n3,red\n")
    with pytest.raises(UserError, match=r"new\.csv lacks size: the model needs every column"):
        load_unseen(str(new), form, say=print)
    none = r"new\.\w+ has none of the columns that the model needs: colour, size, weight$"
    new.write_text("2.5,red,3\n")
    with pytest.raises(UserError, match=none):
        load_unseen(str(new), form, say=print)
    (tmp_path / "new.parquet").write_bytes(arrow_bytes({"other": [1.0]}))
    with pytest.raises(UserError, match=none):
        load_unseen(str(tmp_path / "new.parquet"), form, say=print)
    new.write_text("size,weight,colour\nlarge,3,red\n")
    with pytest.raises(
        UserError, match=r"the column size of new\.csv holds words, but the model was trained on nu"
    ):
        load_unseen(str(new), form, say=print)
    new.write_text("size,weight,colour\n,3,red\n")
    with pytest.raises(
        UserError, match=r"\(size 1\): fill them in, for the model was trained on rows without any$"
    ):
        load_unseen(str(new), read(text()).form, say=print)
    with pytest.raises(
        UserError, match=r"none\.csv does not exist; name a table like the one that the model"
    ):
        load_unseen(str(tmp_path / "none.csv"), form, say=print)
    new.write_text("size,weight,colour\n1e16,3,red\n")
    with pytest.raises(
        UserError, match=r"the column size of new\.csv holds 1e\+16, but every number must be"
    ):
        load_unseen(str(new), form, say=print)


def words(column, said, first=()):
    """Read rows whose first cells are given; return what the first column became."""
    rows = [[str(cell), *ROWS[i % 60][1:]] for i, cell in enumerate(column)]
    return read(text(rows), said=said).form.columns[0].words


def test_words_that_are_mostly_numbers_are_told_and_a_scale_is_not_refused():
    said = []
    assert words([["0", "1", "2", "0", "1"][i % 5] if i else "3+" for i in range(60)], said)[:3] == (
        "0",
        "1",
        "2",
    )
    assert said[1] == (
        "The column size of fruit.csv is read as words, for 1 of its 60 cells is no number, such as '3+'."
    )
    said = []
    words([f"A {i % 10}" if i % 3 == 0 else i % 10 for i in range(60)], said)
    assert said[1] == (
        "The column size of fruit.csv is read as words, for 20 of its 60 cells are no numbers, such as 'A 0'."
    )
    said = []
    words([f"A {i % 10}" if i % 2 == 0 else i % 10 for i in range(60)], said)
    assert len(said) == 2  # the column of the labels, and the part that is set aside


def test_words_that_name_the_rows_are_told():
    said = []
    words([f"2020-01-{i // 2}" for i in range(62)], said)
    assert len(said) == 2  # half as many as rows
    words([f"{i} %" for i in range(60)], said)
    assert said[3] == (
        "The column size of fruit.csv holds 60 different words in 60 rows: leave it out of the file if"
        " it only names the rows, else turn it into numbers or fewer words."
    )
    said = []
    words([f"{i} %" for i in range(20)], said)
    assert len(said) == 2  # few


def test_blanks_and_missing_ones_between_them_leave_a_column_of_numbers_one():
    rows = [[f" {row[0]} ", *row[1:]] for row in with_gaps()]
    rows[0][0], rows[5][0] = "  ", " NA "
    filled = Reading(impute="median")
    assert read(text(rows), filled).fingerprint == read(text(with_gaps()), filled).fingerprint


def european(rows=ROWS, **options):
    """Return a table with decimal commas."""
    return text([[row[0].replace(".", ","), *row[1:]] for row in rows], delimiter=";", **options)


def test_decimal_commas_where_commas_separate_no_columns(tmp_path):
    said = []
    data = read(european(), said=said)
    assert data.fingerprint == read(text()).fingerprint
    assert said[0] == "fruit.csv has decimal commas in size: 1,5 is read as 1.5."
    both = [[row[0], row[1], row[0], row[3]] for row in ROWS]
    content = "\t".join(HEADER) + "\n" + "\n".join("\t".join(row) for row in both).replace(".", ",")
    said = []
    assert read(content, said=said).form.columns[2] == Column("weight")
    assert said[0] == "fruit.csv has decimal commas in size, weight: 1,5 is read as 1.5."
    # The first line of a table without names is one of its rows, whatever its commas.
    assert read(european(header=None)).fingerprint == data.fingerprint
    halves = "\n".join(f"{i},5;-{i % 9},25;{KINDS[i % 3]}" for i in range(30))
    assert [column.name for column in read(halves).form.columns] == ["1", "2"]
    # One cell of another form, and the column is one of words.
    for odd in ("1.5", "1,5,0", "1.000,5"):
        rows = [[odd, *ROWS[0][1:]], *ROWS]
        assert odd in (
            words_of := read(european(rows).replace("1,5;", f"{odd};", 1)).form.columns[0].words
        ), odd
        assert "2,5" in words_of
    # Where commas separate columns, a quoted number with one is a word.
    quoted = [['"' + row[0].replace(".", ",") + '"', *row[1:]] for row in ROWS]
    assert "1,5" in read(text(quoted)).form.columns[0].words
    # Nor does a semicolon in a name make the commas beside it decimal ones.
    assert read(text(header=["size; cm", *HEADER[1:]])).fingerprint == data.fingerprint


def test_decimal_commas_are_predicted_from_as_they_were_trained_on(tmp_path):
    new, said = tmp_path / "new.csv", []
    form = read(european()).form
    new.write_text(european())
    expected = [[float(s), c == "green", c == "red", float(w)] for s, c, w, _ in ROWS]
    assert load_unseen(str(new), form, say=said.append).rows.tolist() == expected
    assert said == ["new.csv has decimal commas in size: 1,5 is read as 1.5."]
    new.write_text(text())
    assert load_unseen(str(new), form, say=print).rows.tolist() == expected
    # Without the labels, and without names: every cell has a comma.
    form = read("\n".join(f"{i},5;-{i % 9},25;{KINDS[i % 3]}" for i in range(30))).form
    new.write_text("1,5;-2,25\n3;4\n")
    assert load_unseen(str(new), form, say=print).rows.tolist() == [[1.5, -2.25], [3, 4]]
    # Words stay words, even if those of the new table could be numbers.
    form = read(european([["1.5.0", *ROWS[0][1:]], *ROWS])).form
    said = []
    new.write_text("size;colour;weight\n1,5;red;3\n")
    rows = load_unseen(str(new), form, say=said.append).rows
    assert rows[0, form.columns[0].words.index("1,5")] == 1
    assert said == []


def test_names_of_columns_are_no_numbers_that_only_python_knows():
    header = ["2020_1", "colour", "٣", "kind"]
    assert [column.name for column in read(text(header=header)).form.columns] == header[:3]


SEEDS = [
    european().encode(),
    *(text(delimiter=delimiter).encode() for delimiter in ",;\t"),
    text(header=None).encode(),
    b'a,"b\nc"\n' + b'"x ""y""",1\nz,\n' * 9,
    arrow_bytes(columns(), row_group_size=20, compression="zstd"),
    arrow_bytes({**columns(), "size": [None] * 60}, use_dictionary=False, compression="none"),
]


@FUZZ
@given(seed=st.sampled_from(SEEDS), impute=st.sampled_from([None, "median"]), data=st.data())
def test_fuzz_changed_tables(seed, impute, data):
    changed = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed)))
        removed = data.draw(st.sampled_from([0, 1, 2, 40]))
        new = data.draw(st.binary(max_size=4) | st.sampled_from([b",", b"\n", b'"', b"nan", b"1e9", b"x"]))
        changed[place : place + removed] = new
    try:
        found = read(bytes(changed), Reading(impute=impute))
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert np.isfinite(found.split().train.x).all()
        assert form_from(form_text(found.form)) == found.form
