"""The winner of a study as a scikit-learn classifier."""

from collections.abc import Sequence
from dataclasses import asdict

from fcnet.classifier import FullyConnectedClassifier
from studies import record
from studies.choices import STORAGE, STUDY
from studies.experiments.data import load_data_of
from studies.experiments.results import winner_of
from studies.storage.database import connect
from studies.storage.study import load_study


def best_estimator(
    storage: str = STORAGE, study: str = STUDY, *, image_shape: Sequence[int] | None = None
) -> FullyConnectedClassifier:
    """Return the study's winner as a classifier that is yet to be fitted, with its parameters and epochs.

    Parameters
    ----------
    storage : str, default="sqlite:///sweep.db"
        Address of the database.
    study : str, default="sweep"
        The study's name.
    image_shape : sequence of int, optional
        Channels, rows and columns of an image, where the winner was trained on mirror images too; without it
        the study's data are loaded to look.

    Raises
    ------
    UserError
        If no trial is complete, or the data are needed and are not there any more.
    """
    opened = load_study(connect(storage, create=False), study)
    epochs = record.read(opened).facts.epochs
    h = record.configuration(winner_of(opened)[0])
    if h.mirror and image_shape is None:
        image_shape = load_data_of(opened, None, say=lambda _: None)[0].image_shape
    shape = None if image_shape is None else tuple(image_shape)
    return FullyConnectedClassifier(**asdict(h), epochs=epochs, image_shape=shape)
