"""Everything that knows Optuna: the sweep and what follows it, as the functions that a notebook needs."""

import importlib
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.api import confirm, effects, open_study, report, reproduce, search, train
    from studies.experiments.advising import advise
    from studies.experiments.estimator import best_estimator
    from studies.experiments.plan import Plan
    from studies.views.figures.named import figures
    from studies.views.notebook import summarise

__all__ = [
    "Plan",
    "advise",
    "best_estimator",
    "confirm",
    "effects",
    "figures",
    "open_study",
    "report",
    "reproduce",
    "search",
    "summarise",
    "train",
]

# A name is imported when it is asked for: help and errors do not wait for Optuna.
_ELSEWHERE = {
    "Plan": "studies.experiments.plan",
    "advise": "studies.experiments.advising",
    "best_estimator": "studies.experiments.estimator",
    "figures": "studies.views.figures.named",
    "summarise": "studies.views.notebook",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'studies' has no attribute {name!r}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # of Optuna's own bar, which is never shown
        value = globals()[name] = getattr(importlib.import_module(_ELSEWHERE.get(name, "studies.api")), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
