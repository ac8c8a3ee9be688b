"""Folders of image files, a folder for each class: ``DIR/CLASS/*.png`` or ``DIR/train/CLASS/*.png``."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcnet.data.dataset import Dataset
from fcnet.data.form import ImageForm
from fcnet.data.pictures import ENDINGS, attempt, common_form, decode, look
from fcnet.data.reading import Reading, set_aside
from fcnet.errors import UserError

_NAMED = 5  # so many damaged files are named


def load(source: str, reading: Reading, say: Callable[[str], None]) -> Dataset:
    """Load the images of a folder.

    Parameters
    ----------
    source : str
        Path of the folder. It holds a folder for each class, or ``train`` and perhaps ``test`` that do.
    reading : Reading
    say : callable
        Takes one-line notices for the user.

    Raises
    ------
    UserError
        If there are no images, some are damaged, or a link leads out of the folder.
    """
    reading.refuse(source, "a folder of images", label=True, impute=True)
    root = Path(source)
    name = root.resolve().name
    parts = [root / "train", root / "test"] if (root / "train").is_dir() else [root]
    if len(parts) == 2 and not parts[1].is_dir():
        del parts[1]
    found = [_files(part, root) for part in parts]
    if not found[0]:
        raise UserError(
            f"{source} holds no images in folders of classes: keep them as {source}/CLASS/NAME.png, where"
            f" files end in {', '.join(ENDINGS)}"
        )
    paths = [path for part in found for path, _ in part]
    labels = np.array([label for part in found for _, label in part])
    is_test = np.arange(len(paths)) >= len(found[0])
    images, form, is_damaged = read_images(paths, root, reading.image_size, skip_damaged=reading.skip_damaged)
    if is_damaged.any():
        say(f"{is_damaged.sum():,} of {len(paths):,} images in {source} are damaged and left out.")
    labels, is_test = labels[~is_damaged], is_test[~is_damaged]
    arrays, names = [images, labels], [f"the images in {source}", f"the folders in {source}"]
    if len(found) == 2:
        arrays = [array[part] for part in (~is_test, is_test) for array in (images, labels)]
        names = [
            f"{what} {source}/{part}" for part in ("train", "test") for what in ("images of", "folders of")
        ]
    try:
        dataset = Dataset.assemble(arrays, names, name, form=form)
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from error
    if len(found) == 1:
        say(set_aside(dataset))
    return dataset


def find(source: str) -> list[Path]:
    """Return the image files of a folder and of all folders in it, by name; or the one file.

    Raises
    ------
    UserError
        If there are none, or a link leads out of the folder.
    """
    root = Path(source)
    if not root.is_dir():
        return [root]
    found = sorted(
        Path(folder, file) for folder, _, files in os.walk(root) for file in files if _is_image(file)
    )
    for path in found:
        _refuse_outside(path, root)
    if not found:
        raise UserError(f"{source} holds no files that end in {', '.join(ENDINGS)}")
    return found


def read_images(
    paths: Sequence[Path],
    root: Path,
    side: int | None = None,
    *,
    form: ImageForm | None = None,
    skip_damaged: bool = False,
) -> tuple[NDArray[Any], ImageForm, NDArray[np.bool_]]:
    """Decode image files, to the form that they have in common or to a given one.

    Returns
    -------
    images : ndarray of shape (n, channels, rows, columns)
        uint8, or float32 of 16-bit values; damaged ones are left out.
    form : ImageForm
    is_damaged : ndarray of shape (n_files,)

    Raises
    ------
    UserError
        If some are damaged and that is not allowed, or all are; or they do not go together.
    """
    source = str(root)
    is_damaged = np.zeros(len(paths), np.bool_)
    if form is None:
        seen, is_damaged = attempt(paths, look, f"looking at {root.name}")
        if is_damaged.all():
            _judge(paths, is_damaged, root, skip_damaged=skip_damaged)
        names = [str(path.relative_to(root)) for path, bad in zip(paths, is_damaged, strict=True) if not bad]
        form = common_form([each for each in seen if each is not None], side, names, source)
    images = np.zeros((len(paths), *form.shape), np.uint8 if form.bits == 8 else np.float32)
    place = {path: i for i, path in enumerate(paths)}
    known = form

    def keep(path: Path) -> None:
        images[place[path]] = decode(path, known)

    good = [path for path, bad in zip(paths, is_damaged, strict=True) if not bad]
    _, also = attempt(good, keep, f"reading {root.name}")
    is_damaged[np.flatnonzero(~is_damaged)[also]] = True
    _judge(paths, is_damaged, root, skip_damaged=skip_damaged)
    return images[~is_damaged] if is_damaged.any() else images, form, is_damaged


def _files(part: Path, root: Path) -> list[tuple[Path, str]]:
    """Return the image files in the folders of a part, by name, each with its folder's name."""
    found = []
    for folder in sorted(part.iterdir()):
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        _refuse_outside(folder, root)
        for path in sorted(folder.iterdir()):
            if _is_image(path.name):
                _refuse_outside(path, root)
                found.append((path, folder.name))
    return found


def _is_image(file: str) -> bool:
    return file.lower().endswith(ENDINGS) and not file.startswith(".")


def _refuse_outside(path: Path, root: Path) -> None:
    """Refuse links that lead out of a folder, and what is no file."""
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{path} is a link that leads out of {root}: put the file itself there")
    if not path.is_dir() and not path.is_file():
        raise UserError(f"{path} is no regular file: remove it")


def _judge(paths: Sequence[Path], is_damaged: NDArray[np.bool_], root: Path, *, skip_damaged: bool) -> None:
    n = int(is_damaged.sum())
    if n and (not skip_damaged or n == len(paths)):
        named = [str(path.relative_to(root)) for path, bad in zip(paths, is_damaged, strict=True) if bad]
        more = f" and {n - _NAMED:,} more" if n > _NAMED else ""
        mend = "name another folder" if n == len(paths) else "mend or remove them, or say --skip-damaged"
        raise UserError(
            f"{n:,} of {len(paths):,} images in {root} are damaged, or larger than 50 million pixels"
            f" ({', '.join(named[:_NAMED])}{more}): {mend}"
        )
