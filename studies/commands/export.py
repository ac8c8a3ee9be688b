"""Write what a study holds into a file; its ending says what: .html, .csv, .json, .parquet or .onnx."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from fcnet.errors import UsageError, UserError
from fcnet.text import printable
from studies.choices import STORAGE, STUDY
from studies.commands.options import FormatOptions, StudyOptions
from studies.commands.parser import argument, option, repeated, switch
from studies.program import command


@dataclass(frozen=True, kw_only=True)
class Options(FormatOptions):
    """The command's options."""

    file: str = argument(str, "FILE", "the file to write, such as page.html, trials.csv or model.onnx")
    epochs: bool = switch("of the trials one row an epoch, instead of one row a trial")
    model: str | None = option(
        str, None, "MODEL", "a model.safetensors for .onnx (default: that of the study's last train)"
    )
    storage: str = option(str, STORAGE, "URL", "database")
    study: tuple[str, ...] = repeated(
        "NAME",
        f"its study (default: {STUDY}); given twice, .html shows both side by side, where one may be of"
        " another database, URL#NAME",
    )

    @property
    def studies(self) -> list[StudyOptions]:
        """The studies that are named; of another database only where there are several."""
        if len(self.study) < 2:
            return [StudyOptions(storage=self.storage, study=name) for name in self.study or (STUDY,)]
        found = [each.rpartition("#") if "://" in each else ("", "", each) for each in self.study]
        return [StudyOptions(storage=url or self.storage, study=name) for url, _, name in found]


def run(options: Options) -> int:
    """Run the command."""
    path = Path(options.file)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        known = ", ".join(WRITERS)
        raise UsageError(f"{options.file} has none of the endings that can be written: choose one of {known}")
    for given, writer, name, endings in (
        (options.epochs, _trials, "--epochs", ".csv, .json or .parquet"),
        (options.model is not None, _model, "--model", ".onnx"),
    ):
        if given and write is not writer:
            raise UsageError(
                f"{name} is for a file {endings}, but {options.file} was asked for: leave it out"
            )
    studies = options.studies
    if len(studies) > 1 and write is not _page:
        raise UsageError(f"{options.file} holds one study: name it with one --study")
    if len(studies) > 2:
        raise UsageError(f"two studies fit side by side, not {len(studies)}: name two with --study")
    if len(studies) == 2 and studies[0] == studies[1]:
        raise UsageError(f"--study names {studies[0].study!r} twice: name two studies")
    write(options, path)
    if options.as_json:
        names = [each.study for each in studies]
        print(json.dumps({"study": names[0] if len(names) == 1 else names, "file": str(path)}))
    else:
        print(f"Written: {printable(str(path))}")
    return 0


def _page(options: Options, path: Path) -> None:
    from studies import record
    from studies.api import export_comparison, export_page
    from studies.experiments.trainings import asked_by

    opened, named = [each.open() for each in options.studies], options.studies
    if len(opened) == 2:
        export_comparison(opened, path, options=[each.typed for each in named])
    else:
        asked = replace(named[0], study=asked_by(record.read(opened[0])))
        export_page(opened[0], path, options=asked.typed)


def _trials(options: Options, path: Path) -> None:
    from studies.experiments.tables import epochs_table, trials_table
    from studies.views.tables import write_table

    (study,) = options.studies
    write_table((epochs_table if options.epochs else trials_table)(study.open()), path)


def _model(options: Options, path: Path) -> None:
    from fcnet.model import Model
    from fcnet.portable import as_onnx
    from fcnet.writing import write_whole
    from studies import record

    saved = options.model
    if saved is None:
        (study,) = options.studies
        final = record.read(study.open()).final
        if final is None:
            raise UserError(
                f"the study {study.study!r} has no trained model yet: run"
                f" {command('train' + study.typed)} first, or name one with --model"
            )
        saved = final.model
    write_whole(path, as_onnx(Model.load(Path(saved))))


WRITERS: dict[str, Callable[[Options, Path], None]] = {
    ".html": _page,
    ".csv": _trials,
    ".json": _trials,
    ".parquet": _trials,
    ".onnx": _model,
}
"""What writes a study into a file, by the file's ending."""
