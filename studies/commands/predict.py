"""Print the class that a saved model gives to each image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from fcnet.errors import UserError
from studies.commands.options import FormatOptions
from studies.commands.parser import argument


@dataclass(frozen=True, kw_only=True)
class Options(FormatOptions):
    """The command's options."""

    model: str = argument(str, "MODEL", "a model.safetensors")
    images: str = argument(str, "IMAGES", ".npy or .npz file of images, or a data file")


def run(options: Options) -> int:
    """Run the command."""
    from fcnet.data.files import load_images
    from fcnet.model import Model

    model = Model.load(Path(options.model))
    images = load_images(options.images)
    n_features = len(model.normalisation.mean)
    if images.shape[1] != n_features:
        raise UserError(
            f"{options.images} has {images.shape[1]} values per image, but {options.model} was trained on"
            f" {n_features}: name images of that size"
        )
    names = [model.class_names[label] for label in model.predict(images)]
    print(json.dumps({"predictions": names}) if options.as_json else "\n".join(names))
    return 0
