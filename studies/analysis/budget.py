"""How much error a study's verdicts may spend, and what one set of images can show at all."""

from math import sqrt

ALPHA = 0.05
"""How often a study may name a difference, or an equality, that is not there: over all of its verdicts."""

RACE_ALPHA = 0.005
"""The part of `ALPHA` that dropping hopeless candidates early may spend."""


def level(look: int) -> float:
    """Return the share of `ALPHA` that a verdict may spend.

    Each verdict takes two thirds of what the race and the verdicts before it left, so that all of them
    together never spend more than `ALPHA` (alpha spending: Lan & DeMets, 1983, "Discrete sequential
    boundaries for clinical trials"). A false "beats" and a false "tie" exclude each other, so either may
    spend the share.

    Parameters
    ----------
    look : int
        Number of this verdict in its study's one ledger, from 1 on: further seeds, further candidates and
        other candidates all count on; only the same verdict on the same trainings is the same look.

    Raises
    ------
    ValueError
        If it is below 1.
    """
    if look < 1:
        raise ValueError(f"look is {look}, but it must be at least 1")
    return (ALPHA - RACE_ALPHA) * (2.0 / 3.0) * (1.0 / 3.0) ** (look - 1)


def margin_of(images: int, *, accuracy: float = 0.85) -> float:
    """Return the difference of accuracy that is negligible on that many images: one standard error.

    Each of n images is judged rightly or wrongly, so an accuracy p has the standard error
    ``sqrt(p (1 - p) / n)`` about fresh images: a smaller difference could not be shown on as many others.
    """
    return sqrt(accuracy * (1.0 - accuracy) / images)


MARGIN = margin_of(2_000)
"""That of the course assignment's images: 2,000 judge one training, and as many are for the test."""
