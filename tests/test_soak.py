"""The long run's verdict: what grows with the trials is told from what only wavers."""

import numpy as np
import pytest

pytest.importorskip("psutil", reason="comes with the extra test")

from benchmarks.stress.soak import fit

TRIALS = np.arange(0, 1000, 10)


@pytest.mark.parametrize(
    ("values", "unit", "said"),
    [
        (200 + np.sin(TRIALS), "KiB", "flat"),
        (np.minimum(TRIALS, 150) + 100, "", "flat"),  # within the warm-up
        (200 + TRIALS / 1024, "MiB", "flat (+1 KiB per trial)"),  # by less than a twentieth
        (10 + 4.8 * TRIALS / 1024, "MiB", "grows by 4.8 KiB per trial"),
        (20 + TRIALS // 500, "", "flat"),
        (20 + TRIALS / 100, "", "grows by 0.01 per trial"),
    ],
)
def test_growth(values, unit, said):
    assert fit(list(TRIALS), list(values)).says(unit) == said
