"""The cache of prepared splits: one copy for all processes, made again when damaged, never dropped in use."""

import errno
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from test_data_split import dataset

from fcnet.data import Split, holding, prepared, shared_split
from fcnet.data.split import ABOUT
from fcnet.errors import UserError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fcnet" / "splits"


@pytest.mark.parametrize("protocol", ["holdout", "report", "final"])
def test_the_shared_copy_is_the_split(protocol: str, cache: Path) -> None:
    data = dataset()
    expected = data.split(protocol, seed=5)
    path = shared_split(data, protocol, seed=5)
    opened = Split.open(path)
    assert path.parent == cache
    for name in ("class_names", "fingerprint", "protocol", "seed"):
        assert getattr(opened, name) == getattr(expected, name)
    for (_, one), (_, two) in zip(opened._arrays(), expected._arrays(), strict=True):
        np.testing.assert_array_equal(one, two)
        assert isinstance(one, np.memmap)
        assert one.dtype == two.dtype
        with pytest.raises(ValueError, match="read-only"):
            one[0] = 0
    assert (opened.validation is None) == (protocol == "final")
    assert [folder.name for folder in cache.iterdir()] == [path.name]  # no draft is left


def test_a_prepared_copy_is_used_again(cache: Path) -> None:
    path = shared_split(dataset())
    made = (path / "train_x.npy").stat().st_ino
    assert shared_split(dataset()) == path
    assert (path / "train_x.npy").stat().st_ino == made
    others = {
        shared_split(dataset(), seed=1),
        shared_split(dataset(), "final"),
        shared_split(dataset(seed=1)),
    }
    assert len(others | {path}) == 4


def _truncate(folder: Path) -> None:
    os.truncate(folder / "train_x.npy", 500)


def _forget(folder: Path) -> None:
    (folder / "validation_labels.npy").unlink()


def _older(folder: Path) -> None:
    about = json.loads((folder / "split.json").read_text())
    (folder / "split.json").write_text(json.dumps(about | {"format": 0}))


def _garble(folder: Path) -> None:
    (folder / "split.json").write_text("[]")


@pytest.mark.parametrize("damage", [_truncate, _forget, _older, _garble])
def test_a_damaged_copy_is_told_and_made_again(damage: object, cache: Path) -> None:
    path = shared_split(dataset())
    damage(path)
    with pytest.raises(UserError, match=r"prepared data in .* cannot be used .*delete that folder"):
        Split.open(path)
    assert shared_split(dataset()) == path
    np.testing.assert_array_equal(Split.open(path).train.x, dataset().split().train.x)
    assert len(list(cache.iterdir())) == 1


def test_a_missing_copy() -> None:
    with pytest.raises(UserError, match="prepared data in /nowhere cannot be used"):
        Split.open(Path("/nowhere"))


def in_another_process(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Run code that finds `shared_split`, `Split` and `dataset`; it may wait for the end of its input."""
    begin = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[1:3]\n"
        "from test_data_split import dataset; from fcnet.data import Split, shared_split\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", begin + code, str(ROOT), str(ROOT / "tests"), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def prepare(seeds: range) -> list[Path]:
    """Prepare splits in a process that has ended when this returns: the lowest seed is the oldest."""
    code = "for seed in range(*map(int, sys.argv[3:])): print(shared_split(dataset(), seed=seed))"
    out, _ = in_another_process(code, seeds.start, seeds.stop).communicate(timeout=120)
    made = [Path(line) for line in out.splitlines()]
    for seed, folder in zip(seeds, made, strict=True):
        os.utime(folder, (1000 + seed, 1000 + seed))
    return made


def test_the_cache_keeps_the_last_used(cache: Path) -> None:
    made = prepare(range(prepared.KEPT))
    shared_split(dataset(), seed=0)  # used again: now the youngest
    newest = shared_split(dataset(), seed=99)
    assert {folder.name for folder in cache.iterdir()} == {f.name for f in {*made, newest} - {made[1]}}


HOLDERS = {
    "who prepared it": "path = shared_split(dataset(), seed=0)",
    "a worker": "split = Split.open(Path(sys.argv[3]))",
    "a cluster's worker": (
        "from studies.execution.cluster_worker import has_split; assert has_split(Path(sys.argv[3]).name)"
    ),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_what_another_process_uses_is_not_dropped_until_it_ends(holder: str, cache: Path) -> None:
    (used,) = prepare(range(1))
    with in_another_process(f"{HOLDERS[holder]}; print(flush=True); sys.stdin.read()", used) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        os.utime(used, (1000, 1000))  # whatever its age
        made = prepare(range(1, 12))
        assert set(cache.iterdir()) == {used, *made}  # all of them were in use
        made += prepare(range(12, 13))
        assert set(cache.iterdir()) == {used, *made[-prepared.KEPT :]}
        process.communicate()
    assert process.returncode == 0
    made += prepare(range(13, 14))
    assert set(cache.iterdir()) == {*made[-prepared.KEPT :]}


def test_what_a_killed_process_used_is_dropped(cache: Path) -> None:
    (used,) = prepare(range(1))
    with in_another_process("s = Split.open(Path(sys.argv[3])); print(flush=True); input()", used) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    prepare(range(1, 1 + prepared.KEPT))
    assert not used.exists()


def test_a_split_that_is_gone_holds_nothing(cache: Path) -> None:
    (used,) = prepare(range(1))
    split = Split.open(used)
    holding.drop(used, ABOUT)
    assert len(split.train.x) == 40
    assert used.exists()
    del split
    holding.drop(used, ABOUT)
    assert list(cache.iterdir()) == []


def test_a_folder_that_is_being_dropped_or_replaced_cannot_be_held(tmp_path: Path) -> None:
    (tmp_path / ABOUT).touch()
    with holding._alone(tmp_path / ABOUT), pytest.raises(BlockingIOError):
        holding.hold(tmp_path / ABOUT)
    os.close(holding.hold(tmp_path / ABOUT))


def test_without_locks_of_the_file_system_nothing_is_dropped(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    path = shared_split(dataset())
    holding.drop(path, ABOUT)
    assert len(Split.open(path).train.x) == 40


def test_abandoned_drafts_are_removed_and_live_ones_kept(cache: Path) -> None:
    for name in ("draft-dead", "draft-live"):
        (cache / name).mkdir(parents=True)
    os.utime(cache / "draft-dead", (1000, 1000))
    path = shared_split(dataset())
    assert {folder.name for folder in cache.iterdir()} == {path.name, "draft-live"}


def test_without_a_writable_cache_the_copy_is_temporary(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the cache folder should be")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_data_prepared import *\n"
        "path = shared_split(dataset()); assert len(Split.open(path).train.x) == 40; print(path)"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    path = Path(run.stdout.strip())
    assert path.is_relative_to(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache"]  # gone with its process


def test_no_place_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(prepared.tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"can be written neither to the user's cache nor to .*set TMPDIR"):
        shared_split(dataset())


def _prepare(barrier: object, out: object) -> None:
    barrier.wait(30)
    out.put(str(shared_split(dataset(n=2000, features=300))))


def test_processes_that_prepare_at_once_share_one_copy(cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, out = context.Barrier(3), context.Queue()
    processes = [context.Process(target=_prepare, args=(barrier, out)) for _ in range(3)]
    for process in processes:
        process.start()
    paths = {out.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(30)
    assert [str(folder) for folder in cache.iterdir()] == list(paths)
    Split.open(Path(*paths))


def test_a_draft_that_goes_while_the_cache_is_looked_through_changes_nothing(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "draft-gone").symlink_to(cache / "nothing")  # listed, but not there any more
    assert shared_split(dataset()).parent == cache


class Evil:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return os.rmdir, (self.folder,)


def test_nothing_in_the_cache_is_unpickled(cache: Path, tmp_path: Path) -> None:
    path = shared_split(dataset())
    (tmp_path / "folder").mkdir()
    (path / "train_x.npy").write_bytes(pickle.dumps(Evil(tmp_path / "folder")))
    with pytest.raises(UserError, match="cannot be used"):
        Split.open(path)
    assert (tmp_path / "folder").exists()


def test_the_same_values_as_rows_and_as_images_are_two_splits(cache: Path) -> None:
    from fcnet import Dataset

    images, labels = np.random.default_rng(0).normal(size=(60, 24)).astype(np.float32), np.arange(60) % 2
    plain, shaped = (
        Dataset.from_arrays(x[:50], labels[:50], x[50:], labels[50:])
        for x in (images, images.reshape(60, 4, 6))
    )
    assert plain.fingerprint == shaped.fingerprint
    assert Split.open(shared_split(plain)).image_shape is None
    assert Split.open(shared_split(shaped)).image_shape == (4, 6)
