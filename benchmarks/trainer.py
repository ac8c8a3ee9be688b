"""How long a whole trial takes here and with peers: one thread, interleaved, every measurement a new process.

    python -m benchmarks.trainer --budget-minutes 90 --json trainer.json

prints Markdown tables: seconds per epoch, ratios, distance to the machine's `sgemm` peak, accuracies. Peers
come with ``pip install .[bench]``; those that are not installed are left out.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import fcnet.data
from benchmarks import machine, tables
from benchmarks.peers import OURS, PEERS
from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.inputs import n_axes

ROOT = Path(__file__).resolve().parent.parent

# Batch size, learning rate, hidden units: the 13 points of the report's three figures, and the hardest case.
POINTS = [
    *((batch_size, 0.001, 256) for batch_size in (16, 32, 64, 128, 256)),
    *((64, learning_rate, 256) for learning_rate in (0.005, 0.01, 0.05, 0.1)),
    *((64, 0.001, hidden_units) for hidden_units in (32, 64, 128, 512)),
    (16, 0.001, 512),
]
CONFIGURATIONS = {
    f"{batch_size},{learning_rate:g},{hidden_units}": Hyperparameters(
        batch_size=batch_size, learning_rate=learning_rate, hidden_units=hidden_units
    )
    for batch_size, learning_rate, hidden_units in POINTS
}


def measure(arguments: list[str], *, timeout: float) -> dict[str, object]:
    """Run `benchmarks.trial` and return what it printed, or its last words as ``"error"``."""
    command = [sys.executable, "-m", "benchmarks.trial", *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return {"error": "the time was up"}
    if done.returncode:
        return {"error": done.stderr.strip().rpartition("\n")[2]}
    result: dict[str, object] = json.loads(done.stdout)
    return result


def installed(peers: list[str]) -> list[str]:
    """Leave out, and say so, the peers whose package is missing."""
    present = [peer for peer in peers if importlib.util.find_spec(PEERS[peer].package)]
    for peer in set(peers) - set(present):
        print(f"{PEERS[peer].title} is not installed and left out: pip install .[bench]", file=sys.stderr)
    return present


def run(options: argparse.Namespace) -> dict[str, object]:
    """Measure round by round until the repeats are done or the time is up; keep what is there on disk."""
    end = time.monotonic() + 60 * options.budget_minutes
    dataset = fcnet.data.load(options.data)
    folder = fcnet.data.shared_split(dataset)
    principal = fcnet.data.shared_split(
        dataset, n_axes=n_axes(Hyperparameters(components=options.components), dataset.images.shape[1])
    )
    shape = fcnet.data.Split.open(folder).train.x.shape
    peers = installed(list(dict.fromkeys([OURS, *options.peers])))
    measurements: list[dict[str, object]] = []
    record = {
        "command": "python -m benchmarks.trainer " + " ".join(sys.argv[1:]),
        "about": machine.describe(dict.fromkeys(["numpy", "scipy", *(PEERS[p].distribution for p in peers)])),
        "data": options.data,
        "training_shape": shape,
        "epochs": options.epochs,
        "load": [os.getloadavg()[0]],
        "measurements": measurements,
    }
    plan = [
        (n, c, p) for n in range(options.repeats) for c in options.configurations for p in ["peak", *peers]
    ]
    for i, (repeat, configuration, peer) in enumerate(plan):
        if time.monotonic() > end:
            print(f"The time was up after {i} of {len(plan)} measurements.", file=sys.stderr)
            break
        h, rows = CONFIGURATIONS[configuration], folder
        if peer == OURS:
            h, rows = replace(h, components=options.components), principal
        arguments = [peer, f"--folder={rows}", f"--epochs={options.epochs}", f"--seed={repeat}"]
        arguments.append(f"--hyperparameters={json.dumps(asdict(h))}")
        result = measure(arguments, timeout=max(1.0, end - time.monotonic()))
        measurements.append({"configuration": configuration, "peer": peer, "repeat": repeat, **result})
        outcome = result.get("error") or f"{result.get('seconds', 0):.1f} s"
        print(f"{i + 1}/{len(plan)} {configuration} {peer}: {outcome}", file=sys.stderr, flush=True)
        if options.json:
            record["load"] = [*record["load"][:1], os.getloadavg()[0]]
            options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--configurations",
        nargs="+",
        choices=CONFIGURATIONS,
        default=list(CONFIGURATIONS),
        metavar="BATCH,RATE,HIDDEN",
        help="which to measure, as in the table's first column without spaces (default: all 14)",
    )
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=list(PEERS), help="beside fcnet itself (default: all)"
    )
    parser.add_argument(
        "--components", type=int, help="principal inputs that fcnet takes; the peers take all (default: all)"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="rounds over everything (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=20, help="epochs of a trial (default: %(default)s)")
    parser.add_argument(
        "--data", default="synthetic", help="two-class data as for sweep.py (default: %(default)s)"
    )
    parser.add_argument(
        "--budget-minutes", type=float, default=120.0, help="then it stops (default: %(default)g)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="keep every measurement, as it comes, in FILE"
    )
    parser.add_argument("--show", type=Path, metavar="FILE", help="measure nothing: print the tables of FILE")
    options = parser.parse_args()
    try:
        record = json.loads(options.show.read_text(encoding="utf-8")) if options.show else run(options)
    except UserError as error:
        parser.exit(error.exit_code, f"{error}\n")
    print(tables.render(record))


if __name__ == "__main__":
    main()
