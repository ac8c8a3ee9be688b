"""What a user has after so many minutes: this program's sweeps beside what one would pick instead.

``python -m benchmarks.whole_sweep DATA --minutes 1 2 4 8 --repeats 3 --results sweeps.jsonl`` lets each
competitor search for the longest of these times on two cores, in fresh processes with cold caches,
interleaved. What it would have handed over after each of them, by its own best score then, is trained with
five fresh seeds on all development rows, by its own code, and tested. What is in the file of results
already is not run again, ``--until`` bounds the rest, and ``--figure`` draws it. DATA is a file that
`fcnet.load` reads.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.machine import describe
from fcnet import load
from fcnet.data import Part

ROOT = Path(__file__).resolve().parent.parent
COMPETITORS = {
    "fcnet": ("ours", {}),
    "fcnet, no pruner": ("ours", {"options": ["--pruner", "none"]}),
    "Optuna + PyTorch": ("optuna_pytorch", {}),
    "Optuna + PyTorch, our inputs": ("optuna_pytorch_inputs", {}),
    "Ray Tune, ASHA, PyTorch": ("ray_asha", {}),
    "Syne Tune, ASHA, CQR, PyTorch": ("syne_tune_cqr", {}),
    "SMAC, Hyperband, PyTorch": ("smac_hyperband", {}),
    "scikit-learn halving": ("sklearn_halving", {}),
    "scikit-learn halving, PCA": ("sklearn_halving_pca", {}),
}
COLOURS = ["#c05621", "#d69e2e", "#2b6cb0", "#63b3ed", "#2f855a", "#9ae6b4", "#4a5568", "#805ad5", "#b794f4"]
SEEDS = [101, 102, 103, 104, 105]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 2.0, 4.0, 8.0], help="of a search")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--competitors", nargs="+", choices=COMPETITORS, default=list(COMPETITORS))
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--until", type=float, default=600.0, help="minutes after which nothing is begun")
    parser.add_argument("--figure", type=Path, help="a picture (PNG) to write")
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.until
    done = (
        [json.loads(line) for line in args.results.read_text().splitlines()] if args.results.exists() else []
    )
    done = [row for row in done if row["data"] == args.data.stem]
    known = {(row["repeat"], row["competitor"]) for row in done}
    moments = [60 * minutes for minutes in args.minutes]
    for repeat, name in product(range(args.repeats), args.competitors):
        if (repeat, name) in known or time.monotonic() > end:
            continue
        row = {"data": args.data.stem, "repeat": repeat, "competitor": name}
        row |= measured(args.data, name, moments, repeat)
        done.append(row)
        with args.results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        tested = {
            round(each["seconds"]): round(float(100 * np.mean(each["test"])), 2) for each in row["found"]
        }
        print(repeat, name, tested, flush=True)
    print(table(done, args.minutes))
    print(*describe(("numpy", "optuna", "torch", "scikit-learn", "ray")).values(), sep="; ")
    if args.figure:
        draw(done, args.figure)
    return 0


def measured(data: Path, name: str, moments: list[float], repeat: int) -> dict[str, Any]:
    """Let a competitor search and test what it would have handed over at each of the moments."""
    module, extra = COMPETITORS[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(data, folder)
        found, took, memory = child(module, "search", folder, moments=moments, seed=repeat, **extra)
        found = [
            {"seconds": each.pop("seconds"), "trials": each.pop("trials"), "configuration": each}
            for each in found
        ]

        def test(configuration: dict[str, Any]) -> list[float]:
            values: list[float] = child(module, "test", folder, configuration=configuration, seeds=SEEDS)[0]
            return values

        distinct = {json.dumps(each["configuration"]): each["configuration"] for each in found}
        with ThreadPoolExecutor(1 if module == "ours" else 2) as pool:  # ours trains on both cores itself
            tested = dict(zip(distinct, pool.map(test, distinct.values()), strict=True))
    found = [{**each, "test": tested[json.dumps(each["configuration"])]} for each in found]
    return {"seconds": took, "peak_gib": memory, "found": found}


def prepare(data: Path, folder: Path) -> None:
    """Write the same rows for everybody: as they are, and normalised in float32."""
    shutil.copyfile(data, folder / f"data{data.suffix}")
    dataset = load(str(data))
    images, labels = dataset.open_test()
    search, final = dataset.split(), dataset.split("final")
    assert search.validation is not None
    parts = {"train": search.train, "validation": search.validation, "development": final.train}
    parts["test"] = Part(final.normalisation.apply(images), labels)
    for name, part in parts.items():
        np.save(folder / f"x_{name}.npy", np.asarray(part.x, np.float32))
        np.save(folder / f"y_{name}.npy", np.asarray(part.labels))


def child(module: str, what: str, folder: Path, **words: Any) -> tuple[Any, float, float]:
    """Run one call in a fresh process; return its result, seconds, and peak memory of all its processes."""
    command = [sys.executable, "-m", "benchmarks.competitors", module, what, str(folder), json.dumps(words)]
    began, stop, peak = time.monotonic(), threading.Event(), [0.0]
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment | threads
    )

    def watch() -> None:
        while not stop.wait(1.0):
            try:
                family = [psutil.Process(process.pid)]
                family += family[0].children(recursive=True)
                memory = sum(each.memory_full_info().pss for each in family)
            except psutil.Error:
                continue
            peak[0] = max(peak[0], memory / 2**30)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        output, _ = process.communicate()
    finally:
        stop.set()
        watcher.join()
    if process.returncode:
        raise RuntimeError(f"{module} {what} ended with exit code {process.returncode}")
    return json.loads(output.splitlines()[-1]), time.monotonic() - began, peak[0]


def at(row: dict[str, Any], minutes: float) -> dict[str, Any] | None:
    """Return what a competitor would have handed over by then, if anything."""
    return next((each for each in reversed(row["found"]) if each["seconds"] <= 60 * minutes + 0.5), None)


def means(done: list[dict[str, Any]], name: str, minutes: float) -> np.ndarray:
    """Return the mean accuracy of what each sweep of a competitor handed over by then, in per cent."""
    there = [at(row, minutes) for row in done if row["competitor"] == name]
    return np.array([100 * np.mean(each["test"]) for each in there if each])


def table(done: list[dict[str, Any]], budgets: list[float]) -> str:
    """Return Markdown: by then, per competitor, the true accuracy of what was handed over."""
    lines = [
        "| minutes | competitor | sweeps | configurations | accuracy, % | lowest to highest | GiB |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for minutes, name in product(budgets, COMPETITORS):
        values = means(done, name, minutes)
        if not len(values):
            continue
        rows = [row for row in done if row["competitor"] == name]
        numbers = [each["trials"] for each in (at(row, minutes) for row in rows) if each]
        spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
        lines.append(
            f"| {minutes:g} | {name} | {len(values)} of {len(rows)} | {np.mean(numbers):.0f} |"
            f" {values.mean():.2f}{spread} | {values.min():.2f} to {values.max():.2f} |"
            f" {max(row['peak_gib'] for row in rows):.1f} |"
        )
    return "\n".join(lines)


def draw(done: list[dict[str, Any]], path: Path) -> None:
    """Write a picture: the true accuracy of what is handed over, against the time of the search."""
    from plotly import graph_objects as go

    from benchmarks.browser import picture

    figure = go.Figure()
    for name, colour in zip(COMPETITORS, COLOURS, strict=True):
        rows = [row for row in done if row["competitor"] == name]
        moments = sorted({each["seconds"] / 60 for row in rows for each in row["found"]})
        values = [means(done, name, minutes) for minutes in moments]
        whole = [i for i, each in enumerate(values) if len(each) == len(rows)]
        if not whole:
            continue
        dots = [(moments[i], each) for i in whole for each in values[i]]
        figure.add_scatter(
            x=[x for x, _ in dots],
            y=[y for _, y in dots],
            mode="markers",
            marker={"color": colour, "size": 6, "opacity": 0.45},
            showlegend=False,
        )
        figure.add_scatter(
            x=[moments[i] for i in whole],
            y=[values[i].mean() for i in whole],
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 4 if name == "fcnet" else 2},
        )
    figure.update_layout(legend={"x": 0.99, "xanchor": "right", "y": 0.02})
    figure.update_yaxes(title="accuracy on the test images, %")
    ticks = [0.5, 1, 2, 4, 8, 16]
    figure.update_xaxes(title="minutes of searching, two cores", type="log", tickvals=ticks)
    picture(figure, path)


if __name__ == "__main__":
    sys.exit(main())
