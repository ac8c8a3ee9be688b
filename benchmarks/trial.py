"""One measurement in a process of its own, printed as a JSON line: a whole trial, or the machine's peak."""

import argparse
import importlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

THREADS = {
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
    ),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def use_one_core() -> None:
    """Bound every library to one thread; call before any of them is imported.

    JAX still divides large operations among as many threads as it sees cores, so it is shown only one.
    """
    os.environ.update(THREADS)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def whole_trial(
    peer: str, folder: Path, hyperparameters: dict[str, Any], *, epochs: int, seed: int
) -> dict[str, object]:
    """Time a trial from arrays in memory to the last epoch's validation accuracy.

    The peer has trained a tiny network of another shape before the clock starts, as in a process that works
    through a sweep: what is timed is this trial, with the compilation that its shape needs, and not what a
    library does on its first call.
    """
    from benchmarks.problem import in_memory
    from fcnet.data import Split
    from fcnet.hyperparameters import Hyperparameters

    train = importlib.import_module(f"benchmarks.peers.{peer}").train
    split = Split.open(folder)
    for _ in train(in_memory(split, 100, 8), Hyperparameters(batch_size=8, hidden_units=4), epochs=2, seed=0):
        pass
    split = in_memory(split)

    accuracies, epoch_seconds = [], []
    start_cpu = time.process_time()
    start = last = time.perf_counter()
    for accuracy in train(split, Hyperparameters(**hyperparameters), epochs=epochs, seed=seed):
        now = time.perf_counter()
        epoch_seconds.append(now - last)
        accuracies.append(accuracy)
        last = now
    return {
        "seconds": last - start,
        "epoch_seconds": epoch_seconds,
        "cores": (time.process_time() - start_cpu) / (last - start),
        "accuracies": accuracies,
    }


def sgemm_peak(size: int = 1_536, repeats: int = 15) -> dict[str, float]:
    """Measure the speed of one large square `sgemm`: the median, in floating-point operations per second."""
    import numpy as np
    from scipy.linalg.blas import sgemm

    a = np.asfortranarray(np.random.default_rng(0).standard_normal((size, size), dtype=np.float32))
    c = np.zeros_like(a)
    multiply: Callable[[], object] = lambda: sgemm(1.0, a, a, c=c, overwrite_c=True)  # noqa: E731
    multiply()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        multiply()
        seconds.append(time.perf_counter() - start)
    return {"flops": 2 * size**3 / float(np.median(seconds))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", help='module of benchmarks.peers, or "peak"')
    parser.add_argument("--folder", type=Path, help="prepared split")
    parser.add_argument("--hyperparameters", type=json.loads, default={}, help="fields as JSON")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    use_one_core()
    if o.peer == "peak":
        result = sgemm_peak()
    else:
        result = whole_trial(o.peer, o.folder, o.hyperparameters, epochs=o.epochs, seed=o.seed)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
