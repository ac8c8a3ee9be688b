"""The names of samplers and pruners; light, so that the command line's help needs no Optuna."""

SAMPLERS = ("tpe", "random", "qmc", "grid", "gp", "cmaes")
PRUNERS = ("median", "hyperband", "none")
