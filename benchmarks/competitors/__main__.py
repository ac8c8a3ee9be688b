"""One competitor in a process of its own: ``python -m benchmarks.competitors NAME WHAT FOLDER JSON``."""

import importlib
import json
import sys
from pathlib import Path


def main() -> None:
    """Run the command and print what it found as JSON."""
    name, what, folder, words = sys.argv[1:]
    competitor = importlib.import_module(f"benchmarks.competitors.{name}")
    print("\n" + json.dumps(getattr(competitor, what)(Path(folder), **json.loads(words))), flush=True)


if __name__ == "__main__":
    main()
