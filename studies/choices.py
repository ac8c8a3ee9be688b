"""Names and numbers that options take; light, so that the command line's help needs no Optuna."""

SAMPLERS = ("tpe", "random", "qmc", "grid", "gp", "cmaes")
PRUNERS = ("median", "hyperband", "none")

TOP = 5
"""Configurations that are confirmed, if no other number is asked for."""
