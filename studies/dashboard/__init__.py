"""optuna-dashboard: what is published for it, and how it is served safely."""
