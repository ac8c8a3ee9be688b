"""Image files: each decoded by Pillow within bounds, all brought to one size and one kind of pixels."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tqdm import tqdm

from fcnet.data.checks import MAX_FEATURES
from fcnet.data.form import ImageForm
from fcnet.errors import UserError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
MAX_BYTES = 1 << 30  # of all images, decoded
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
_MAX_PIXELS = 50_000_000  # of one file: what is larger is a mistake, or a trap for the memory
_MAX_FILE = 256 << 20  # bytes
_DEEP = {"I", "I;16", "I;16L", "I;16B", "I;16N"}
_GREY = {"1", "L", "LA", *_DEEP}


@dataclass(frozen=True)
class Seen:
    """What the header of an image file says."""

    size: tuple[int, int]
    mode: str


def look(path: Path) -> Seen:
    """Read the header of an image file.

    Raises
    ------
    Exception
        Of any kind, if it is no image, or a bomb.
    """
    with _opened(path) as image:
        by_a_quarter = _notes_turn(image) and image.getexif().get(0x0112, 1) >= 5
        if image.mode == "F":
            raise ValueError("floating pixels, whose range nobody states")
        return Seen(image.size[::-1] if by_a_quarter else image.size, image.mode)


def common_form(seen: Sequence[Seen], side: int | None, names: Sequence[str], source: str) -> ImageForm:
    """Return the form that image files have in common, or are to be brought to.

    Grey if all are grey, else colour; 16 bits if all are grey and any has more than 8.

    Raises
    ------
    UserError
        If they differ in size and no side is given, or are too large.
    """
    sizes = {each.size: name for each, name in zip(reversed(seen), reversed(names), strict=True)}
    if side is None and len(sizes) > 1:
        (one, first), (other, second) = sorted(sizes.items())[0], sorted(sizes.items())[-1]
        raise UserError(
            f"the images in {source} differ in size, such as {first} of {one[0]} x {one[1]} and {second} of"
            f" {other[0]} x {other[1]}: say --image-size 32, or another number of rows and columns for all"
        )
    width, height = next(iter(sizes)) if side is None else (side, side)
    channels: Literal[1, 3] = 1 if all(each.mode in _GREY for each in seen) else 3
    deep = channels == 1 and any(each.mode in _DEEP for each in seen)
    form = ImageForm((channels, height, width), 16 if deep else 8)
    if form.n_features > MAX_FEATURES:
        raise UserError(
            f"the images in {source} would have {width} x {height} pixels, {form.n_features:,} values, more"
            f" than {MAX_FEATURES:,}: say --image-size 32, or another number of rows and columns up to"
            f" {int((MAX_FEATURES / channels) ** 0.5)}"
        )
    if form.n_features * len(seen) * (4 if deep else 1) > MAX_BYTES:
        raise UserError(
            f"the {len(seen):,} images in {source} are more than 1 GiB: say a smaller --image-size, or leave"
            " some out"
        )
    return form


def decode(path: Path, form: ImageForm) -> NDArray[Any]:
    """Return the pixels of an image file in a form, shape (channels, rows, columns).

    uint8 or uint16; a turn that a camera noted is made, transparency is dropped.

    Raises
    ------
    Exception
        Of any kind, if it cannot be decoded.
    """
    channels, height, width = form.shape
    with _opened(path) as opened:
        is_turned = _notes_turn(opened)
        opened.load()
        image: Image.Image = ImageOps.exif_transpose(opened) if is_turned else opened
        if image.mode in _DEEP:
            values = np.clip(np.asarray(image, np.float32), 0, 65535)
            # Of mode F, the only one of more than 8 bits that can be resized everywhere.
            image = Image.fromarray(values if form.bits == 16 else np.rint(values / 257).astype(np.uint8))
        if image.mode != "F":
            image = image.convert("L" if channels == 1 else "RGB")
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
    if form.bits == 16:
        pixels = np.rint(pixels).astype(np.uint16) * (1 if image.mode == "F" else 257)
    return pixels[np.newaxis] if channels == 1 else pixels.transpose(2, 0, 1)


def attempt(
    paths: Sequence[Path], act: Callable[[Path], Any], verb: str
) -> tuple[list[Any], NDArray[np.bool_]]:
    """Do something with each file; a bar is shown above two seconds.

    Returns
    -------
    results : list
        None for a damaged file.
    is_damaged : ndarray of shape (n_files,)
    """
    results, is_damaged = [], np.zeros(len(paths), np.bool_)
    for i, path in enumerate(tqdm(paths, desc=verb, unit=" images", delay=2, leave=False)):
        try:
            results.append(act(path))
        except MemoryError:
            raise
        except Exception:  # Pillow meets bytes of any kind here
            results.append(None)
            is_damaged[i] = True
    return results, is_damaged


def _notes_turn(image: Image.Image) -> bool:
    """Tell whether a camera's notes can be read from the header; of a PNG file they may stand at its end."""
    return image.format != "PNG" or "exif" in image.info


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file within bounds; warnings about oddities that do no harm are not passed on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.stat().st_size > _MAX_FILE:
            raise ValueError("too large a file")
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise ValueError("too many pixels")
            yield image
