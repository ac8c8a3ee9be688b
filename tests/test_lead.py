"""Which of two searches leads: simulated ones with known truth, and those that this program has made."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri
from simulated import at_most, outcomes

from studies.analysis.lead import Lead, Searched, best_of, confirmed_lead, picked_lead
from studies.analysis.selection import repeated_noise

IMAGES, OWN, FRESH = 600, 0.35, 0.5


def searched(means, common, rng, *, noise, repeats=4, images=IMAGES):
    """Return a search of trials of these accuracies, the first one repeated, and its winner's truth."""
    which = np.r_[np.arange(len(means)), np.zeros(repeats, dtype=int)]
    own = OWN * rng.standard_normal((len(means), images))[which]
    scored = means[which] + noise * rng.standard_normal(len(which))
    seen = common + own + FRESH * rng.standard_normal((len(which), images))
    right = seen < np.sqrt(1 + OWN**2 + FRESH**2) * ndtri(scored)[:, None]
    measured = repeated_noise([right[which == 0]])
    assert measured is not None
    return Searched(right, measured), means[which][right.mean(axis=1).argmax()]


def leads(n, trials, *, lead=0.0, spread=0.0, noise=0.0, **options):
    """Return of `n` simulated pairs of searches who leads, and whether the interval holds the truth."""
    rng, named, held = np.random.default_rng(0), [], []
    for _ in range(n):
        common = rng.standard_normal(options.get("images", IMAGES))
        means = [0.84 + spread * rng.standard_normal(k) + by for k, by in zip(trials, (lead, 0), strict=True)]
        (first, one), (second, other) = (searched(m, common, rng, noise=noise, **options) for m in means)
        found = picked_lead(first, second)
        named.append(found.leader)
        held.append(found.low <= one - other <= found.high)
    return named, held


@pytest.mark.parametrize(("trials", "noise"), [((20, 20), 0.0), ((30, 5), 0.005)])
def test_of_two_equal_searches_a_winner_is_named_in_at_most_five_per_cent(trials, noise):
    named, _ = leads(120, trials, noise=noise)
    assert sum(one is not None for one in named) <= 0.05 * 120


def test_the_interval_holds_the_difference_of_the_two_that_were_picked():
    _, held = leads(120, (25, 10), spread=0.01, noise=0.004)
    assert np.mean(~np.array(held)) <= at_most(0.05, 120)


def test_a_search_that_is_three_points_better_leads_nearly_always_where_the_noise_is_well_known():
    named, held = leads(40, (10, 10), lead=0.03, noise=0.002, repeats=12, images=2000)
    assert named.count(0) >= 0.9 * 40
    assert named.count(1) == 0
    assert np.mean(~np.array(held)) <= at_most(0.05, 40)


def test_few_repeats_make_the_interval_wider():
    rng = np.random.default_rng(1)
    right = rng.random(IMAGES) < np.linspace(0.7, 1.0, IMAGES)
    right = right ^ (rng.random((12, IMAGES)) < 0.1)
    few, many = repeated_noise([right[:2]]), repeated_noise([right])
    assert few is not None
    assert many is not None
    assert (few.freedom, many.freedom) == (1, 11)
    assert repeated_noise([right[:1], right[1:2]]) is None
    sides = [
        (Searched(right[:6], noise), Searched(right[6:], noise))
        for noise in (few, replace(many, freedom=1), many)
    ]
    one, alike, twelve = (picked_lead(*side) for side in sides)
    assert alike.mean == twelve.mean
    assert alike.high - alike.low > twelve.high - twelve.low
    assert np.isfinite(one.high - one.low)


@pytest.mark.parametrize(("first", "second"), [(1, 1), (6, 1), (4, 4)])
def test_of_equal_confirmed_candidates_a_leader_is_named_in_at_most_five_per_cent(first, second):
    named = confirmed(120, first, second, lead=0.0)
    assert sum(one is not None for one in named) <= at_most(0.05, 120) * 120
    assert sum(one is not None for one in confirmed(60, first, second, lead=0.0, noise=0.01)) <= 6


def test_a_confirmed_lead_of_three_points_is_told_nearly_always(monkeypatch):
    monkeypatch.setattr("simulated.IMAGES", 10_000)  # as the assignment has them
    assert confirmed(30, 4, 4, lead=0.03).count(0) >= 29


def confirmed(n, first, second, *, lead, noise=0.004):
    rng, named = np.random.default_rng(0), []
    for _ in range(n):
        found = outcomes([0.84 + lead] * first + [0.84] * second, 5, rng, noise=noise)
        sides = range(first), range(first, first + second)
        named.append(confirmed_lead(found, sides, picked_from=max(first, second)).leader)
    return named


def test_a_lead_is_that_of_the_best_and_shrinks_with_what_it_was_picked_from():
    found = outcomes([0.8, 0.86, 0.8, 0.8], 5, np.random.default_rng(0))
    assert best_of(found, [0, 1]) == 1
    few, many = (confirmed_lead(found, ([0, 1], [2, 3]), picked_from=k) for k in (2, 6))
    assert (
        few.mean
        == many.mean
        == pytest.approx(found.accuracies()[1].mean() - found.accuracies()[2:].mean(1).max())
    )
    assert many.low < few.low < few.mean < few.high < many.high
    assert (Lead(1, 0.5, 2).leader, Lead(-1, -2, -0.5).leader, Lead(0, -1, 1).leader) == (0, 1, None)
