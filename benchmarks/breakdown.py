"""Where the time of an epoch goes: every layer's calls timed, one thread.

python -m benchmarks.breakdown --data DATA

prints a Markdown table in per cent of the epoch, over a few epochs of five configurations.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.trial import use_one_core

use_one_core()

from benchmarks import machine  # noqa: E402
from benchmarks.problem import in_memory  # noqa: E402
from fcnet.data import Split, load, shared_split  # noqa: E402
from fcnet.hyperparameters import Hyperparameters  # noqa: E402
from fcnet.layers import Linear, ReLU  # noqa: E402
from fcnet.trainer import Training  # noqa: E402

SHAPES = [(16, 128), (16, 512), (64, 32), (64, 256), (256, 256)]  # batch size, hidden units
PARTS = ["first layer, forward", "first layer, update", "other layers", "validation", "gather", "the rest"]


class Clock:
    """Adds up the seconds of chosen methods; what runs inside another chosen one counts for that one."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inside = False

    def watch(self, owner: type, method: str, part: Callable[[Any], str]) -> None:
        """Time a method of a class from now on; `part` names what it belongs to."""
        original = getattr(owner, method)

        def timed(this: Any, *args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return original(this, *args, **kwargs)
            self._inside = True
            start = time.perf_counter()
            try:
                return original(this, *args, **kwargs)
            finally:
                self.seconds[part(this)] += time.perf_counter() - start
                self._inside = False

        setattr(owner, method, timed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="synthetic", help="as for sweep.py (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=5, help="after one to warm up (default: %(default)s)")
    options = parser.parse_args()
    split = in_memory(Split.open(shared_split(load(options.data))))

    def first_or_other(part: str) -> Callable[[Linear], str]:
        return lambda layer: part if layer.fan_in == split.train.x.shape[1] else "other layers"

    clock = Clock()
    clock.watch(Training, "_evaluate", lambda _: "validation")
    clock.watch(Linear, "take", lambda _: "gather")
    clock.watch(Linear, "forward", first_or_other("first layer, forward"))
    clock.watch(Linear, "step", first_or_other("first layer, update"))
    clock.watch(Linear, "backward", lambda _: "other layers")
    clock.watch(ReLU, "forward", lambda _: "other layers")
    clock.watch(ReLU, "backward", lambda _: "other layers")

    print(f"| batch size, hidden units | epoch, ms | {' | '.join(PARTS)} |")
    print("| --- |" + " ---: |" * (len(PARTS) + 1))
    for batch_size, hidden_units in SHAPES:
        h = Hyperparameters(batch_size=batch_size, hidden_units=hidden_units)
        epochs = iter(Training(split, h, epochs=options.epochs + 1, seed=0))
        next(epochs)
        clock.seconds.clear()
        start = time.perf_counter()
        for _ in epochs:
            pass
        total = time.perf_counter() - start
        clock.seconds["the rest"] = total - clock.seconds.total()
        shares = " | ".join(f"{100 * clock.seconds[part] / total:.0f} %" for part in PARTS)
        print(f"| {batch_size}, {hidden_units} | {1000 * total / options.epochs:.0f} | {shares} |")
    for key, value in machine.describe(["numpy", "scipy"]).items():
        print(f"- {key}: {value}")


if __name__ == "__main__":
    main()
