"""Folders of image files, a folder for each class: ``DIR/CLASS/*.png`` or ``DIR/train/CLASS/*.png``."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcnet.data.dataset import Dataset
from fcnet.data.form import ImageForm, listed
from fcnet.data.pictures import ENDINGS, attempt, common_form, decode, look
from fcnet.data.reading import Reading, set_aside
from fcnet.errors import UserError
from fcnet.text import counted

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
    passed: Counter[str] = Counter()
    found = [_files(part, root, passed) for part in parts]
    if not found[0]:
        raise UserError(
            f"{source} holds no images in folders of classes: keep them as {source}/CLASS/NAME.png, where"
            f" files end in {', '.join(ENDINGS)}"
        )
    _say_passed(passed, source, ", each in the folder of its class", say)
    if root not in parts:
        _say_unread(root, [part.name for part in parts], say)
    paths = [path for part in found for path, _ in part]
    labels = np.array([label for part in found for _, label in part])
    is_test = np.arange(len(paths)) >= len(found[0])
    images, form, is_damaged = read_images(paths, root, reading.image_size, skip_damaged=reading.skip_damaged)
    if is_damaged.any():
        say(
            f"{is_damaged.sum():,} of {len(paths):,} images in {source} {_are(is_damaged)} damaged and"
            " left out."
        )
    labels, is_test = labels[~is_damaged], is_test[~is_damaged]
    arrays = [images, labels]
    places = ["the set of folders"] if root in parts else [f"the folder {part.name}" for part in parts]
    names = [place for place in places for _ in ("images", "labels")]
    if len(found) == 2:
        arrays = [array[part] for part in (~is_test, is_test) for array in (images, labels)]
    try:
        dataset = Dataset.assemble(arrays, names, name, form=form)
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from error
    if len(found) == 1:
        say(set_aside(dataset))
    return dataset


def find(source: str, say: Callable[[str], None]) -> list[Path]:
    """Return the image files of a folder and of all folders in it, by name; or the one file.

    `say` takes a notice about other files.

    Raises
    ------
    UserError
        If there are none, or a link leads out of the folder.
    """
    root = Path(source)
    if not os.path.exists(source):  # noqa: PTH110  # false, not an error, for a name that no file can have
        raise UserError(f"{source} does not exist: name an image file, or a folder of some")
    if not root.is_dir():
        return [root]
    everything = sorted(Path(folder, file) for folder, _, files in os.walk(root) for file in files)
    found = [path for path in everything if _is_image(path.name)]
    for path in found:
        _refuse_outside(path, root)
    if not found:
        raise UserError(f"{source} holds no files that end in {', '.join(ENDINGS)}")
    _say_passed(Counter(_kind(path) for path in everything if _is_other(path.name)), source, "", say)
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
    source, is_new = str(root), form is not None
    is_damaged = np.zeros(len(paths), np.bool_)
    if form is None:
        seen, is_damaged = attempt(paths, look, f"looking at {root.name}")
        if is_damaged.all():
            _judge(paths, is_damaged, root, skip_damaged=skip_damaged, is_new=is_new)
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
    _judge(paths, is_damaged, root, skip_damaged=skip_damaged, is_new=is_new)
    return images[~is_damaged] if is_damaged.any() else images, form, is_damaged


def _files(part: Path, root: Path, passed: Counter[str]) -> list[tuple[Path, str]]:
    """Return the image files in the folders of a part, by name, each with its folder's name; count others."""
    found = []
    for folder in sorted(part.iterdir()):
        if not folder.is_dir() and _is_image(folder.name):
            passed[_kind(folder)] += 1
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        _refuse_outside(folder, root)
        for path in sorted(folder.iterdir()):
            if _is_image(path.name):
                _refuse_outside(path, root)
                found.append((path, folder.name))
            elif _is_other(path.name):
                passed[_kind(path)] += 1
    return found


def _is_image(file: str) -> bool:
    return file.lower().endswith(ENDINGS) and not file.startswith(".")


def _is_other(file: str) -> bool:
    return not file.lower().endswith(ENDINGS) and not file.startswith(".")


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else path.suffix.lower() or "without a suffix"


def _say_passed(passed: Counter[str], source: str, where: str, say: Callable[[str], None]) -> None:
    if passed:
        kinds = listed(
            [counted(n, kind) if kind == "folder" else f"{n:,} {kind}" for kind, n in passed.most_common()]
        )
        say(f"Passed over in {source}: {kinds}; images are files that end in {', '.join(ENDINGS)}{where}.")


def _say_unread(root: Path, parts: Sequence[str], say: Callable[[str], None]) -> None:
    others = [each.name for each in sorted(root.iterdir()) if each.is_dir() and each.name not in parts]
    others = [name for name in others if not name.startswith(".")]
    if others:
        say(
            f"In {root} only {' and '.join(parts)} {'is' if len(parts) == 1 else 'are'} read, not"
            f" {listed(others)}: a fifth of each class of train is held out for validation."
        )


def _refuse_outside(path: Path, root: Path) -> None:
    """Refuse links that lead out of a folder, and what is no file."""
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{path} is a link that leads out of {root}: put the file itself there")
    if not path.is_dir() and not path.is_file():
        raise UserError(f"{path} is no regular file: remove it")


def _are(is_damaged: NDArray[np.bool_]) -> str:
    return "is" if is_damaged.sum() == 1 else "are"


def _judge(
    paths: Sequence[Path], is_damaged: NDArray[np.bool_], root: Path, *, skip_damaged: bool, is_new: bool
) -> None:
    """Refuse damaged files; new ones are those to predict from, of which none is left out."""
    n = int(is_damaged.sum())
    if not n or (skip_damaged and n < len(paths)):
        return
    if is_new and len(paths) == 1:
        if not _is_image(paths[0].name):
            raise UserError(f"{paths[0]} is in a format that is not read: convert it to PNG")
        raise UserError(
            f"{paths[0]} is damaged, or larger than 50 million pixels: mend it, or name another image"
        )
    named = [str(path.relative_to(root)) for path, bad in zip(paths, is_damaged, strict=True) if bad]
    more = f" and {n - _NAMED:,} more" if n > _NAMED else ""
    mend = "mend or remove them" + ("" if is_new else ", or say --skip-damaged")
    if n == len(paths):
        mend = "name another folder"
    raise UserError(
        f"{n:,} of {len(paths):,} images in {root} {_are(is_damaged)} damaged, or larger than 50 million"
        f" pixels ({', '.join(named[:_NAMED])}{more}): {mend}"
    )
