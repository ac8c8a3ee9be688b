"""Coverage-guided fuzzing of the readers of files: any bytes give data, or one sentence.

    pip install atheris
    python -m benchmarks.stress.fuzz data --runs 100000

TARGET is data (pickles and .npz), table (text and Parquet), picture (PNG, JPEG, TIFF), images (.npy, .npz),
archive (CIFAR-10's) or model. Inputs begin as small
files of the right kind and are changed towards whatever reaches new branches of this program. The first error
that is not the program's own ends the run and is kept as a file; one that was found and mended belongs into
the tests.
"""

import argparse
import contextlib
import gzip
import io
import pickle
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np
import pyarrow
from PIL import Image
from pyarrow import parquet

with atheris.instrument_imports(include=["fcnet"]):
    from fcnet.data import Normalisation, Reading, files, folders
    from fcnet.data.cifar10 import read_archive
    from fcnet.errors import UserError
    from fcnet.hyperparameters import Hyperparameters
    from fcnet.model import Model
    from fcnet.network import Network

ROWS = 2  # of a batch of the small archive
_LONGEST = 64 << 10  # bytes of an input


def seeds(target: str, folder: Path) -> list[bytes]:
    """Return small valid files."""
    images, labels = np.zeros((20, 4), np.uint8), np.arange(20) % 2
    arrays = {"train_data": images, "train_labels": labels, "test_data": images, "test_labels": labels}
    buffer = io.BytesIO()
    match target:
        case "data":
            np.savez(buffer, **arrays)
            return [pickle.dumps(arrays, protocol) for protocol in (2, 4, 5)] + [buffer.getvalue()]
        case "images":
            np.save(buffer, images)
            return [buffer.getvalue(), *seeds("data", folder)]
        case "table":
            rows = {"size": [float(i % 7) for i in range(20)], "colour": ["red", "green"] * 10}
            text = "size,colour\n" + "\n".join(f"{s},{c}" for s, c in zip(*rows.values(), strict=True))
            parquet.write_table(pyarrow.table(rows), buffer)
            return [text.encode(), text.replace(",", ";").encode(), buffer.getvalue()]
        case "picture":
            made = []
            for kind, pixels in (("PNG", np.eye(6)), ("JPEG", np.eye(6)), ("TIFF", 300 * np.eye(6))):
                buffer = io.BytesIO()
                Image.fromarray(pixels.astype(np.uint16 if kind == "TIFF" else np.uint8)).save(buffer, kind)
                made.append(buffer.getvalue())
            return made
        case "archive":
            with tarfile.open(fileobj=buffer, mode="w") as archive:
                for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
                    member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
                    member.size = ROWS * 3073
                    archive.addfile(member, io.BytesIO(bytes(member.size)))
            return [gzip.compress(buffer.getvalue(), mtime=0)]
        case _:
            hyperparameters = Hyperparameters(hidden_units=3, n_layers=2)
            Model(
                networks=tuple(
                    Network(hyperparameters, n_features=4, n_classes=2, rng=np.random.default_rng(seed))
                    for seed in (0, 1)
                ),
                normalisation=Normalisation(np.zeros(4, np.float32), np.ones(4, np.float32)),
                class_names=("0", "1"),
                hyperparameters=hyperparameters,
                data_fingerprint="0" * 64,
                seeds=(0, 1),
                epochs=2,
            ).save(folder / "model.safetensors")
            return [(folder / "model.safetensors").read_bytes()]


def reader(target: str, file: Path) -> Callable[[bytes], object]:
    """Return what reads an input."""
    if target == "data":
        return lambda content: files.read(io.BytesIO(content), "input")
    if target == "table":
        return lambda content: files.read(io.BytesIO(content), "input", Reading(impute="median"))
    if target == "images":
        return lambda content: files.read_images(io.BytesIO(content), "input")

    def read(content: bytes) -> object:
        file.write_bytes(content)
        if target == "picture":
            return folders.read_images([file], file.parent, 4)
        return Model.load(file) if target == "model" else read_archive(file, rows_per_batch=ROWS)

    return read


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", choices=("data", "table", "picture", "images", "archive", "model"))
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        corpus = Path(name, "corpus")
        corpus.mkdir()
        for i, content in enumerate(seeds(args.target, Path(name))):
            (corpus / f"seed{i}").write_bytes(content)
        read = reader(args.target, Path(name, "input"))

        def one(content: bytes) -> None:
            with contextlib.suppress(UserError), np.errstate(all="ignore"):
                read(content)

        options = [f"-runs={args.runs}", f"-seed={args.seed}", f"-max_len={_LONGEST}", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", str(corpus)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
