"""Where the time of a step goes, and how far it is from what the machine can do.

``python -m benchmarks.breakdown`` times, on one thread, whole steps on random rows, then in the same shapes
the products alone, the additions of velocities to weights, and the gather of the rows; what is left are
NumPy's calls around them and Python. Arithmetic is the share that the products' floating-point operations
would take at the speed of one large product.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks.trial import sgemm_peak, use_one_core

use_one_core()

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from benchmarks.machine import describe  # noqa: E402
from fcnet.blas import routines  # noqa: E402
from fcnet.hyperparameters import Hyperparameters  # noqa: E402
from fcnet.losses import encode_targets, loss_of  # noqa: E402
from fcnet.network import Network  # noqa: E402

SHAPES = [  # inputs, batch size, hidden units
    (64, 16, 128),
    (128, 16, 128),
    (128, 32, 128),
    (128, 64, 128),
    (256, 16, 128),
    (256, 64, 128),
    (256, 64, 256),
    (1024, 64, 256),
    (3072, 16, 256),
    (3072, 64, 256),
]
ROUNDS = 7
Batches = Iterator[tuple[NDArray[np.float32], NDArray[np.intp]]]  # all rows, and which of them


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=0.4, help="of each of seven rounds (default: %(default)s)"
    )
    args = parser.parse_args()
    peak = sgemm_peak()["flops"]
    parts = ("arithmetic", "products", "additions", "gather", "calls around them")
    print(f"| inputs, batch size, hidden units | step, µs | {' | '.join(parts)} |")
    print("| --- |" + " ---: |" * (1 + len(parts)))
    for shape in SHAPES:
        works = [step(*shape), products(*shape), additions(*shape), gather(*shape)]
        counts = [max(1, int(args.seconds / timed(work, 3))) for work in works]
        rounds = [[timed(work, n) for work, n in zip(works, counts, strict=True)] for _ in range(ROUNDS)]
        whole, *alone = np.median(rounds, axis=0)
        arithmetic = sum(2.0 * a * b * c for a, b, c in sizes(*shape)) / peak
        shares = [arithmetic, *alone, whole - sum(alone)]
        cells = " | ".join(f"{100 * share / whole:.0f} %" for share in shares)
        print(f"| {', '.join(map(str, shape))} | {1e6 * whole:.0f} | {cells} |")
    print(f"One large product: {peak / 1e9:.0f} Gflop/s;", *describe(("numpy", "scipy")).values(), sep=" ")
    return 0


def timed(work: Callable[[], object], n: int) -> float:
    """Return the seconds of one call, over `n` of them."""
    start = time.perf_counter()
    for _ in range(n):
        work()
    return (time.perf_counter() - start) / n


def problem(n_inputs: int, batch_size: int, hidden_units: int) -> tuple[Network, Hyperparameters, Batches]:
    """Return the report's three layers, and batches of 8,000 random rows in a new order, round and round."""
    rng = np.random.default_rng(0)
    h = Hyperparameters(batch_size=batch_size, hidden_units=hidden_units, learning_rate=1e-4)
    network = Network(h, n_features=n_inputs, n_classes=2, rng=rng)
    x = rng.standard_normal((8_000, n_inputs), dtype=np.float32)
    order = rng.permutation(len(x))[: len(x) // batch_size * batch_size]
    return network, h, ((x, rows) for rows in itertools.cycle(order.reshape(-1, batch_size)))


def step(*shape: int) -> Callable[[], object]:
    """Return a step as `fcnet.Training` takes it."""
    network, h, batches = problem(*shape)
    targets = encode_targets(np.arange(h.batch_size) % 2, 2, np.dtype(np.float32))
    loss = loss_of(2)

    def work() -> None:
        logits = network.forward(network.take(*next(batches)))
        network.backward(loss.gradient(logits, targets))
        network.step(h.learning_rate, h.momentum, h.weight_decay)

    return work


def gather(*shape: int) -> Callable[[], object]:
    """Return the gather of a step's rows."""
    network, _, batches = problem(*shape)
    return lambda: network.take(*next(batches))


def sizes(n_inputs: int, batch_size: int, hidden_units: int) -> list[tuple[int, int, int]]:
    """Return the sizes of a step's products: outputs, updates, and the inner layers' input gradients."""
    widths = [(n_inputs, hidden_units), (hidden_units, hidden_units), (hidden_units, 1)]
    forward = [(batch_size, fan_in, fan_out) for fan_in, fan_out in widths]
    update = [(fan_in, batch_size, fan_out) for fan_in, fan_out in widths]
    return [*forward, *update, (batch_size, hidden_units, hidden_units), (batch_size, 1, hidden_units)]


def products(*shape: int) -> Callable[[], object]:
    """Return the products of a step: by NumPy's BLAS, and the updates by SciPy's, which can accumulate."""
    rng = np.random.default_rng(0)
    (gemm,) = routines("gemm", dtype=np.float32)
    calls: list[Callable[[], object]] = []
    for i, (n, k, m) in enumerate(sizes(*shape)):
        a, b = rng.standard_normal((n, k), dtype=np.float32), rng.standard_normal((k, m), dtype=np.float32)
        out = np.zeros((n, m), np.float32)
        if 3 <= i < 6:  # an update: x.T @ gradient, transposed, as in `fcnet.layers.Linear.step`
            rows = np.ascontiguousarray(a.T)
            calls.append(
                lambda b=b, rows=rows, out=out: gemm(
                    1e-9, b.T, rows.T, beta=1.0, c=out.T, trans_b=True, overwrite_c=True
                )
            )
        elif k == 1:
            calls.append(lambda a=a, b=b, out=out: np.multiply(a, b, out=out))
        else:
            calls.append(lambda a=a, b=b, out=out: np.matmul(a, b, out=out))
    return lambda: [call() for call in calls]


def additions(n_inputs: int, batch_size: int, hidden_units: int) -> Callable[[], object]:
    """Return the additions of a step's velocities to the weights, which are bound by memory."""
    del batch_size
    (axpy,) = routines("axpy", dtype=np.float32)
    fans = (n_inputs * hidden_units, hidden_units * hidden_units, hidden_units)
    pairs = [(np.zeros(size, np.float32), np.zeros(size, np.float32)) for size in fans]
    return lambda: [axpy(v, w, a=1e-9) for v, w in pairs]


if __name__ == "__main__":
    sys.exit(main())
