"""What is judged by and what is counted is called by its name: balanced accuracy, rows."""

from made import NOW, make_study
from test_page import LIVE, data_of, read

from studies.experiments.overview import overview
from studies.experiments.results import summarise
from studies.record import Source, write_source
from studies.views.figures.named import figures
from studies.views.note import sweep_note
from studies.views.page import render


def test_a_balanced_accuracy_is_called_so_wherever_it_is_drawn():
    study = make_study(40, metric="balanced_accuracy")
    html = render(overview(study, now=NOW), LIVE)
    data, (_, text) = data_of(html), read(html)
    titles = {
        str(figure["layout"]["yaxis"].get("title", {}).get("text")) for figure in data["figures"].values()
    }
    assert titles == {"Validation balanced<br>accuracy (%)", "None"}
    assert data["judged"] == "balanced accuracy"
    assert "alidation accuracy" not in html
    assert "its last epoch's balanced accuracy" in text
    assert "A balanced accuracy is not corrected for the picking" in text
    assert figures(study)["effects"].layout.yaxis.title.text == "Validation balanced accuracy (%)"
    assert "| balanced accuracy |" in sweep_note(summarise(study))


def test_rows_that_are_no_images_are_not_called_so():
    study = make_study(40, tested=True)
    write_source(study, Source("table.csv", images=False), "table.csv")
    html = render(overview(study, now=NOW), LIVE)
    _, text = read(html)
    assert "of the untouched test rows correctly" in text
    assert "On fresh rows it would be" in text
    assert "images" not in text
