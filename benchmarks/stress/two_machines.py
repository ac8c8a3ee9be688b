"""Two network namespaces as two machines: what a sweep does when the cable between them is pulled.

    sudo python -m benchmarks.stress.two_machines                 # 30 s
    sudo python -m benchmarks.stress.two_machines --cut 60

Scheduler, database and coordinator live in one namespace, two workers with their nannies in the other. Needs
root and ``ip`` (iproute2). The workers' namespace has a data cache of its own, so the data travels, too.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna

from benchmarks.stress.cluster_chaos import origins
from benchmarks.stress.local_cluster import ROOT

HERE, THERE = "fcnet-here", "fcnet-there"
OURS, THEIRS = "10.77.0.1", "10.77.0.2"
PATIENCE = (
    "120s"  # with a silent connection; after Dask's own 30 s workers close, and their nannies with them
)


def ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=not check, timeout=30)


@contextlib.contextmanager
def two_machines() -> Iterator[None]:
    """Make two namespaces joined by a cable, and remove them."""
    try:
        for name in (HERE, THERE):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "fcnet0", "netns", HERE, "type", "veth", "peer", "name", "fcnet1", "netns", THERE)
        for name, device, address in ((HERE, "fcnet0", OURS), (THERE, "fcnet1", THEIRS)):
            ip("-n", name, "address", "add", f"{address}/24", "dev", device)
            ip("-n", name, "link", "set", device, "up")
        yield
    finally:
        for name in (HERE, THERE):
            ip("netns", "delete", name, check=False)


@contextlib.contextmanager
def running(folder: Path, machine: str, label: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python command on one of the machines."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder / machine),
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": PATIENCE,
    }
    with (
        (folder / f"{label}.log").open("wb") as log,
        subprocess.Popen(
            ["ip", "netns", "exec", machine, sys.executable, *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


def finished(database: str) -> list[optuna.trial.FrozenTrial]:
    with contextlib.suppress(Exception):  # not there yet
        return optuna.load_study(study_name="sweep", storage=database).get_trials()
    return []


def cut_and_count(args: argparse.Namespace, folder: Path) -> bool:
    """Pull the cable in mid-sweep, plug it in again, and tell how the sweep ended."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (1000, 256), dtype=np.uint8), np.arange(1000) % 2
    np.savez(
        folder / "images.npz", train_data=images, train_labels=labels, test_data=images, test_labels=labels
    )
    database = f"sqlite:///{folder / 'sweep.db'}"
    address = f"tcp://{OURS}:8786"
    dask = ("-m", "dask")
    scheduler = (*dask, "scheduler", "--host", OURS, "--port", "8786", "--no-dashboard")
    workers = ("--nworkers", "2", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))
    sweep = ("--trials", str(args.trials), "--epochs", "20", "--data", "images.npz", "--cluster", address)
    with (
        running(folder, HERE, "scheduler", *scheduler),
        running(folder, THERE, "workers", *dask, "worker", address, "--host", THEIRS, *workers),
        running(folder, HERE, "sweep", str(ROOT / "sweep.py"), *sweep) as process,
    ):
        began = time.monotonic()
        is_cut = False
        while process.poll() is None and time.monotonic() - began < 60 * args.minutes:
            done = sum(trial.state.is_finished() for trial in finished(database))
            if not is_cut and done >= args.trials // 4:
                print(
                    f"{time.monotonic() - began:5.0f} s: {done} trials ended, the cable is pulled", flush=True
                )
                ip("-n", THERE, "link", "set", "fcnet1", "down")
                time.sleep(args.cut)
                ip("-n", THERE, "link", "set", "fcnet1", "up")
                is_cut = True
                done = sum(trial.state.is_finished() for trial in finished(database))
                print(f"{time.monotonic() - began:5.0f} s: {done} trials ended, it is in again", flush=True)
            time.sleep(0.5)
        code = process.poll()
        seconds = time.monotonic() - began
    trials = finished(database)
    found = origins(trials)
    print(
        f"{seconds:5.0f} s: the sweep ended with exit code {code},"
        f" {len(found)} of {args.trials} trials finished"
    )
    for reason, n in Counter(t.user_attrs.get("reason") for t in trials if t.state.name == "FAIL").items():
        print(f"        {n} interrupted: {reason}")
    said = (folder / "sweep.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    print("\n".join(f"        | {line}" for line in said[-args.lines :]))
    return code == 0 and is_cut and len(found) == args.trials == len(set(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cut", type=float, default=30.0, help="seconds without a cable (default: 30)")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--lines", type=int, default=4, help="of the sweep's output to show")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, two_machines():
        return 0 if cut_and_count(args, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
