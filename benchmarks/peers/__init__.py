"""The competitors: a file each, with one function of the same signature.

``train(split, hyperparameters, *, epochs, seed)`` trains on the training rows and yields the validation
accuracy, in [0, 1], at the end of each epoch. Whatever it does, from its first line on, is timed; what the
module imports is not, because a process that works through a sweep imports once.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A competitor.

    Parameters
    ----------
    title : str
        Column heading.
    distribution, package : str
        Package whose version is printed, and its name in an import.
    target : float
        Least ratio of the peer's time to ours that the project aims at, as a geometric mean.
    """

    title: str
    distribution: str
    package: str
    target: float


OURS = "ours"
PEERS = {  # by module of this package
    OURS: Peer("fcnet", "scipy", "scipy", 1.0),
    "pytorch": Peer("PyTorch", "torch", "torch", 1.5),
    "jax_scan": Peer("JAX", "jax", "jax", 1.2),
    "scikit_learn": Peer("scikit-learn", "scikit-learn", "sklearn", 2.0),
    "report": Peer("report's NumPy", "numpy", "numpy", 4.0),
}
