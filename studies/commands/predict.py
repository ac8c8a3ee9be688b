"""Print the class that a saved model gives to each image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fcnet.errors import UserError
from studies.commands.options import Parser, add_format


def add_options(parser: Parser) -> None:
    """Add the command's options."""
    parser.add_argument("model", metavar="MODEL", help="a model.safetensors")
    parser.add_argument("images", metavar="IMAGES", help=".npy or .npz file of images, or a data file")
    add_format(parser)


def run(args: Any) -> int:
    """Run the command."""
    from fcnet.data.files import load_images
    from fcnet.model import Model

    model = Model.load(Path(args.model))
    images = load_images(args.images)
    n_features = len(model.normalisation.mean)
    if images.shape[1] != n_features:
        raise UserError(
            f"{args.images} has {images.shape[1]} values per image, but {args.model} was trained on"
            f" {n_features}: name images of that size"
        )
    names = [model.class_names[label] for label in model.predict(images)]
    print(json.dumps({"predictions": names}) if args.format == "json" else "\n".join(names))
    return 0
