"""What is to be known of a file or folder before it can be read, and what is said once it was."""

from dataclasses import dataclass
from typing import Literal

from fcnet.data.dataset import Dataset
from fcnet.errors import UsageError


@dataclass(frozen=True)
class Reading:
    """How files are read that do not say it themselves.

    Parameters
    ----------
    label : str, optional
        Column of a table that holds the classes; by default the last one.
    impute : {"median"}, optional
        What fills missing values of a table; by default there may be none.
    image_size : int, optional
        Rows and columns that image files are brought to; by default all must have one size.
    skip_damaged : bool, default=False
        Whether image files that cannot be read are left out.
    """

    label: str | None = None
    impute: Literal["median"] | None = None
    image_size: int | None = None
    skip_damaged: bool = False

    def refuse(self, name: str, why: str, **fields: bool) -> None:
        """Refuse what is given although it says nothing about data of that kind.

        Raises
        ------
        UsageError
            If one of the `fields` is given.
        """
        for field in fields:
            if getattr(self, field):
                raise UsageError(
                    f"--{field.replace('_', '-')} says nothing here, for {name} is {why}: leave it out"
                )


def set_aside(dataset: Dataset) -> str:
    """Say that data brought no test part."""
    n, rows = dataset.test_size, dataset.test_size + len(dataset.labels)
    return (
        f"{dataset.name} has no test part: {n:,} of its {rows:,} rows, a fifth of each class, are set aside"
        " until the best parameters are trained."
    )
