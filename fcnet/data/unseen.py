"""Rows without labels, for predictions, from files like those that a model was trained on."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fcnet.data.checks import as_rows
from fcnet.data.form import Form, ImageForm, TableForm
from fcnet.errors import UserError


@dataclass(frozen=True, eq=False)
class Unseen:
    """Rows of shape (n, n_features), uint8 or float32, and the name of each row's file if it has one."""

    rows: NDArray[Any] = field(repr=False)
    names: list[str] | None = None


def load_unseen(source: str, form: Form | None, *, say: Callable[[str], None]) -> Unseen:
    """Load rows to predict from.

    Parameters
    ----------
    source : str
        A path: with a `TableForm` of a table that has the same columns, others are left alone; with an
        `ImageForm` of an image file, or of a folder, where those in folders within count too; else of images
        as arrays, see `fcnet.data.files.load_images`. Or the name of a bundled set, whose test part is taken.
    form : TableForm, ImageForm or None
        Of the model.
    say : callable
        Takes one-line notices for the user.

    Raises
    ------
    UserError
        If there is no such file, or it cannot be used.
    """
    if isinstance(form, TableForm):
        from fcnet.data import files, tables

        with files.opened(source, "name a table like the one that the model was trained on") as file:
            return Unseen(tables.read_rows(file, Path(source).name, form, say))
    if isinstance(form, ImageForm):
        from fcnet.data import folders

        paths = folders.find(source, say)
        root = Path(source) if Path(source).is_dir() else Path(source).parent
        images, _, _ = folders.read_images(paths, root, form=form)
        return Unseen(as_rows(images, f"the images in {source}"), [str(path) for path in paths])
    if source.startswith("sklearn:"):
        from fcnet.data import bundled

        images, _ = bundled.load(source.removeprefix("sklearn:"), lambda _: None).open_test()
        return Unseen(images)
    if os.path.isdir(source):  # noqa: PTH112  # false, not an error, for a name that no file can have
        raise UserError(
            f"{source} is a folder, but the model was trained on arrays: name an .npy or .npz file"
        )
    from fcnet.data import files

    return Unseen(files.load_images(source))
