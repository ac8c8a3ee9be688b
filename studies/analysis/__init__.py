"""Functions of arrays with typed results: verdicts, effects, noise, advice; nothing else is imported."""
