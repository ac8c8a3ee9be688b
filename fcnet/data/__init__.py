"""Images and labels: where they come from, how they are divided, and one shared copy for all workers."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict

from fcnet.data.dataset import Dataset
from fcnet.data.prepared import shared_split
from fcnet.data.reading import Reading
from fcnet.data.split import Normalisation, Part, Split
from fcnet.text import printable

__all__ = ["Dataset", "Normalisation", "Part", "Reading", "Split", "load", "shared_split"]


def _to_stderr(notice: str) -> None:
    print(printable(notice), file=sys.stderr, flush=True)


def load(
    source: str | os.PathLike[str] = "auto",
    *,
    classes: Sequence[str] = ("airplane", "ship"),
    reading: Reading = Reading(),  # frozen
    say: Callable[[str], None] = _to_stderr,
) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    source : str or path, default="auto"
        ``"cifar10"``: the official archive, from the user's cache or downloaded.
        ``"synthetic"``: the built-in images.
        ``"auto"``: CIFAR-10 if it is cached or can be downloaded, else the built-in images.
        ``"sklearn:digits"``, iris, wine or breast_cancer: a small set that comes with scikit-learn.
        Anything else: the path of an ``.npz`` archive, of a pickle of arrays, of a table (CSV, TSV, Parquet),
        or of a folder that holds a folder of image files for each class.
    classes : sequence of str, default=("airplane", "ship")
        CIFAR-10 classes to keep; the first one gets label 0. Other sources ignore it.
    reading : Reading, optional
        How tables and folders of images are read.
    say : callable, default: print to stderr
        Receives each notice that the user must see, one line of text.

    Returns
    -------
    Dataset
        The images, labels and their fingerprint.

    Raises
    ------
    UserError
        If the data cannot be had or cannot be used; the message says why and what to do.
    UsageError
        If `classes` holds a name that is no CIFAR-10 class.

    Examples
    --------
    >>> from fcnet import load
    >>> data = load("synthetic")
    >>> data.name, data.images.shape, data.class_names
    ('synthetic images', (10000, 3072), ('first', 'second'))
    """
    source = os.fspath(source)
    # Each source is imported when it is asked for.
    if source not in ("auto", "cifar10", "synthetic") and not source.startswith("sklearn:"):
        return _from_path(source, reading, say)
    reading.refuse(source, "neither a table nor a folder of images", **dict.fromkeys(asdict(reading), True))
    if source.startswith("sklearn:"):
        from fcnet.data import bundled

        return bundled.load(source.removeprefix("sklearn:"), say)
    from fcnet.data import cifar10, synthetic

    if source == "cifar10":
        return cifar10.load(classes)
    if source == "auto":
        try:
            return cifar10.load(classes, patience=5.0)
        except cifar10.Unavailable as error:
            say(f"NOTICE: training on built-in synthetic images, not on CIFAR-10. {error}")
    return synthetic.generate()


def _from_path(source: str, reading: Reading, say: Callable[[str], None]) -> Dataset:
    if os.path.isdir(source):  # noqa: PTH112  # false, not an error, for a name that no file can have
        from fcnet.data import folders

        return folders.load(source, reading, say)
    from fcnet.data import files

    return files.load(source, reading, say)
