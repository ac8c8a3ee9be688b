"""The form of what `confirm` and `train` keep in a study: somebody else may have written it."""

from typing import Any


def is_opening(kept: Any) -> bool:
    """Tell whether a record of an opening of the test set has the form that is written here."""
    return (
        isinstance(kept, dict)
        and isinstance(kept.get("configuration"), str)
        and (
            kept.get("test_accuracies") is None
            or (_are_fractions(kept["test_accuracies"]) and _is_count(kept.get("images")))
        )
    )


def is_confirmation(kept: Any, *, n_trials: int) -> bool:
    """Tell whether what a study keeps of its confirmation has the form that is written here; None has.

    Parameters
    ----------
    kept : JSON value or None
    n_trials : int
        Trials of the study, one of which is the winner.
    """
    if kept is None:
        return True
    return (
        isinstance(kept, dict)
        and all(isinstance(kept.get(name), str) for name in ("study", "verdict", "sentence"))
        and type(kept.get("winner")) is int
        and 0 <= kept["winner"] < n_trials
        and (kept.get("noise") is None or _is_number(kept["noise"]))
        and _is_count(kept.get("validation_images"))
        and isinstance(kept.get("seeds"), list)
        and isinstance(kept.get("looks"), list)
        and isinstance(kept.get("candidates"), list)
        and all(_is_candidate(candidate) for candidate in kept["candidates"])
    )


def _is_candidate(kept: Any) -> bool:
    return (
        isinstance(kept, dict)
        and type(kept.get("trial")) is int
        and isinstance(kept.get("params"), dict)
        and (kept.get("values") == [] or _are_fractions(kept.get("values")))
    )


def _are_fractions(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_number(v) and v <= 1 for v in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0
