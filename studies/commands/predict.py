"""Print the class that a saved model gives to each image."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from fcnet.errors import UserError
from fcnet.text import counted, printable
from studies.commands.options import FormatOptions
from studies.commands.parser import argument, switch


@dataclass(frozen=True, kw_only=True)
class Options(FormatOptions):
    """The command's options."""

    model: str = argument(str, "MODEL", "a model.safetensors")
    images: str = argument(
        str,
        "IMAGES",
        "an .npy or .npz file of images, or a data file; for a model of a table, one with the same columns;"
        " for a model of image files, one or a folder of some",
    )
    probabilities: bool = switch(
        "print the probability of each class, too, between tabs, under a line of names"
    )


def run(options: Options) -> int:
    """Run the command."""
    from fcnet.data.unseen import load_unseen
    from fcnet.losses import decide, probabilities
    from fcnet.model import Model

    model = Model.load(Path(options.model))
    found = load_unseen(options.images, model.form, say=lambda line: print(printable(line), file=sys.stderr))
    n_features = len(model.normalisation.mean)
    if found.rows.shape[1] != n_features:
        raise UserError(
            f"{options.images} has {counted(found.rows.shape[1], 'value')} per row, but {options.model} was"
            f" trained on {n_features:,}: name data of that size"
        )
    logits = model.pooled(model.logits(found.rows))
    names = [model.class_names[label] for label in decide(logits)]
    shares = probabilities(logits, model.kind) if options.probabilities or options.as_json else None
    if options.as_json:
        print(
            json.dumps(
                {
                    "predictions": names,
                    "class_names": model.class_names,
                    "probabilities": [] if shares is None else shares.round(6).tolist(),
                    **({} if found.names is None else {"files": found.names}),
                }
            )
        )
        return 0
    columns = [] if found.names is None else [found.names]
    columns.append(names)
    if shares is not None:
        columns += [[f"{share:.6f}" for share in column] for column in shares.T]
        _print_row(*([] if found.names is None else ["file"]), "class", *model.class_names)
    for row in zip(*columns, strict=True):
        _print_row(*row)
    return 0


def _print_row(*cells: str) -> None:
    print("\t".join(map(printable, cells)))
