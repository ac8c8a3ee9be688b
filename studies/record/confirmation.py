"""What a study keeps of its confirmation."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from studies.choices import TOP
from studies.record.final import Count, Fraction, Positive, Value

Amount = Annotated[float, Meta(ge=0, lt=1e300)]


class Candidate(Struct, frozen=True, kw_only=True):
    """A configuration that `confirm` trained again; accuracies are fractions, None where there are none.

    Parameters
    ----------
    trial, baseline, params : int, bool, dict
    search : float or None
        Its score in the search.
    values : list of float
        One per training that did not diverge.
    diverged : int
        Trainings that did.
    mean, low, high, std : float or None
        Their mean with its 95 % interval, and the standard deviation.
    n : int
        Number of `values`.
    seconds : float or None
        Median time of a training.
    """

    trial: Count
    params: dict[str, Value]
    values: list[Fraction]
    baseline: bool = False
    search: float | None = None
    diverged: Count = 0
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n: Count = 0
    std: float | None = None
    seconds: float | None = None


class Confirmation(Struct, frozen=True, kw_only=True):
    """What `confirm` concluded.

    Parameters
    ----------
    study : str
    candidates : list of Candidate
    verdict : {"beats", "tie", "more_seeds", "only_candidate"}
    sentence : str
    p_value : float or None
    seeds : list of int
    winner, cheapest : int
        Numbers of trials.
    more_seeds : int or None
        About how many more would tell.
    noise : float or None
        Standard deviation of a single training of the top candidates.
    baseline_noise : float or None
        Of the baseline; None where it is not told apart.
    training_noise : float or None
        What of `noise` would stay on endless images.
    validation_images : int
    top : int
        Configurations that were asked for, besides the baseline.
    looks : list of str
        Each verdict that was asked for in this study, in words; each is a chance to be fooled.
    time : str, in ISO 8601
    """

    study: str
    candidates: list[Candidate]
    verdict: Literal["beats", "tie", "more_seeds", "only_candidate"]
    sentence: str
    seeds: list[int]
    winner: Count
    cheapest: Count
    validation_images: Positive
    looks: list[str | int]
    top: Positive = TOP
    p_value: float | None = None
    more_seeds: int | None = None
    noise: Amount | None = None
    baseline_noise: Amount | None = None
    training_noise: Amount | None = None
    time: str = ""
