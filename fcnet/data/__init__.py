"""Images and labels: where they come from, how they are divided, and one shared copy for all workers."""

import sys
from collections.abc import Callable, Sequence

from fcnet.data.dataset import Dataset
from fcnet.data.prepared import shared_split
from fcnet.data.split import Normalisation, Part, Split

__all__ = ["Dataset", "Normalisation", "Part", "Split", "load", "shared_split"]


def _to_stderr(notice: str) -> None:
    print(notice, file=sys.stderr, flush=True)


def load(
    source: str = "auto",
    *,
    classes: Sequence[str] = ("airplane", "ship"),
    say: Callable[[str], None] = _to_stderr,
) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    source : str, default="auto"
        ``"cifar10"``: the official archive, from the user's cache or downloaded.
        ``"synthetic"``: the built-in images.
        ``"auto"``: CIFAR-10 if it is cached or can be downloaded, else the built-in images.
        Anything else: the path of an ``.npz`` archive or of the course assignment's pickle.
    classes : sequence of str, default=("airplane", "ship")
        CIFAR-10 classes to keep; the first one gets label 0. Other sources ignore it.
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
    # Each source is imported when it is asked for.
    if source not in ("auto", "cifar10", "synthetic"):
        from fcnet.data import files

        return files.load(source)
    from fcnet.data import cifar10, synthetic

    if source == "synthetic":
        return synthetic.generate()
    if source == "cifar10":
        return cifar10.load(classes)
    try:
        return cifar10.load(classes, patience=5.0)
    except cifar10.Unavailable as error:
        say(f"NOTICE: training on built-in synthetic images, not on CIFAR-10. {error}")
        return synthetic.generate()
