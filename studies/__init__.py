"""Everything that knows Optuna: the sweep, its storage, its figures and its verdicts.

The modules here are the sweep itself: `space` and `samplers` propose, `objective` trains one trial, `runner`
runs many, `search` goes from the data to the published result, `summary` says what was found, `final` trains
it. What they rely on stands in the folders beside them, one purpose each.
"""
