"""What the winner of a search is worth: its score, corrected for having been picked by it."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri  # scipy.stats takes long to import

from studies.analysis.scores import Score

_DRAWS = 400
_AT_ONCE = 50


def corrected_score(right: NDArray[np.bool_], *, noise: float | None = None, seed: int = 0) -> Score:
    """Estimate what the configuration with the highest score is worth on fresh images and in fresh trainings.

    The picking is done again on images drawn with repetition, and whoever is picked is scored on those that
    were not drawn (BBC-CV: Tsamardinos, Greasidou & Borboudakis, 2018, "Bootstrapping the out-of-sample
    predictions for efficient and accurate cross-validation"). That takes out what the images had flattered.
    What the training itself had is drawn as well: normal, with the variance of `noise` less what the images
    make of it, and the share of it that gets picked is taken off.

    Parameters
    ----------
    right : ndarray of bool, shape (n_trials, n_images)
        Which of the same images each complete trial got right, the earliest first. Pruned trials are not
        among them: they were given up by the same images, and are taken to have had no chance.
    noise : float, optional
        Standard deviation of a single training between two seeds, on the same images.
    seed : int, default=0
        Of the draws; the same input gives the same answer.

    Returns
    -------
    Score
        With a 95 % interval, and the number of trials that were picked from.
    """
    n_trials, n = right.shape
    scores = right.mean(axis=1)
    luck = np.sqrt(max(0.0, (noise or 0.0) ** 2 - _of_images(right, int(scores.argmax()))))
    rng, kept = np.random.default_rng(seed), right.astype(np.float32)
    found = []
    for _ in range(_DRAWS // _AT_ONCE):
        counts = rng.multinomial(n, np.full(n, 1.0 / n), size=_AT_ONCE).astype(np.float32)
        fortune = luck * rng.standard_normal((_AT_ONCE, n_trials))
        rows, drawn = np.arange(_AT_ONCE), counts @ kept.T / n
        out = (counts == 0).astype(np.float32)
        unseen = (out * kept[drawn.argmax(axis=1)]).sum(axis=1) / out.sum(axis=1)
        found.append(unseen - fortune[rows, (drawn + fortune).argmax(axis=1)])
    mean = float(np.mean(found))
    half = float(ndtri(0.975) * np.sqrt(mean * (1.0 - mean) / n + luck**2))
    return Score(mean, max(0.0, mean - half), min(1.0, mean + half), n_trials)


def _of_images(right: NDArray[np.bool_], winner: int) -> float:
    """Return the variance between two trainings that is the images' part.

    Two trainings of a configuration disagree about a share q of n images, which makes ``q / (2 n)``; they are
    taken to disagree as much as the winner does with whoever is most like it.
    """
    apart = (right != right[winner]).mean(axis=1)
    like = apart[apart > 0]
    return float(like.min()) / (2 * right.shape[1]) if like.size else 0.0
