"""How trainings are run: the one runner, what a trial does, and where it trains (here, a pool, Dask)."""
