"""Write what a study holds into a file; its ending says what: .html, .csv, .json, .parquet or .onnx."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fcnet.errors import UsageError, UserError
from fcnet.text import printable
from studies.commands.options import FormatOptions, StudyOptions
from studies.commands.parser import argument, option, switch
from studies.program import command


@dataclass(frozen=True, kw_only=True)
class Options(StudyOptions, FormatOptions):
    """The command's options."""

    file: str = argument(str, "FILE", "the file to write, such as page.html, trials.csv or model.onnx")
    epochs: bool = switch("of the trials one row an epoch, instead of one row a trial")
    model: str | None = option(
        str, None, "MODEL", "a model.safetensors for .onnx (default: that of the study's last train)"
    )


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
    write(options, path)
    if options.as_json:
        print(json.dumps({"study": options.study, "file": str(path)}))
    else:
        print(f"Written: {printable(str(path))}")
    return 0


def _page(options: Options, path: Path) -> None:
    from studies.api import export_page

    export_page(options.open(), path, options=options.typed)


def _trials(options: Options, path: Path) -> None:
    from studies.experiments.tables import epochs_table, trials_table
    from studies.views.tables import write_table

    write_table((epochs_table if options.epochs else trials_table)(options.open()), path)


def _model(options: Options, path: Path) -> None:
    from fcnet.model import Model
    from fcnet.portable import as_onnx
    from fcnet.writing import write_whole
    from studies import record

    saved = options.model
    if saved is None:
        final = record.read(options.open()).final
        if final is None:
            raise UserError(
                f"the study {options.study!r} has no trained model yet: run {command('train')} first,"
                " or name one with --model"
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
