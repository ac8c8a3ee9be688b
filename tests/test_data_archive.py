"""CIFAR-10's archive is read within bounds, whatever its bytes, and never unpacked."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from datafiles import FUZZ
from hypothesis import given
from hypothesis import strategies as st
from test_data_cifar10 import CONTENT, NAMES, ROWS, batch, honest, tar

from fcnet.data import cifar10
from fcnet.errors import UserError


def _read(content: bytes, folder: Path) -> dict[str, np.ndarray]:
    path = folder / "archive.tar.gz"
    path.write_bytes(content)
    try:
        return cifar10.read_archive(path, rows_per_batch=ROWS)
    finally:
        assert list(folder.iterdir()) == [path]  # nothing is ever unpacked


def test_archives_without_the_right_batches(tmp_path: Path) -> None:
    short = honest() | {NAMES[2]: batch(2)[:-1]}
    with pytest.raises(UserError, match=r"lacks cifar-10-batches-bin/data_batch_3.bin of 92,190 bytes"):
        _read(tar(short), tmp_path)
    missing = {name: content for name, content in honest().items() if name != NAMES[5]}
    with pytest.raises(UserError, match=r"lacks cifar-10-batches-bin/test_batch.bin"):
        _read(tar(missing), tmp_path)
    strange = honest() | {NAMES[0]: b"\x0a" + batch(0)[1:]}
    with pytest.raises(UserError, match="a label above 9"):
        _read(tar(strange), tmp_path)
    for content in (b"", b"text", CONTENT[:-5000], gzip.compress(b"no tar")):
        with pytest.raises(UserError, match=r"is damaged|lacks"):
            _read(content, tmp_path)


def test_paths_and_links_that_lead_elsewhere_are_passed_over(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name in ("../outside.bin", "/tmp/outside.bin", *honest()):
            info = tarfile.TarInfo(name)
            info.size = ROWS * 3073
            archive.addfile(info, io.BytesIO(batch(7)))
    assert len(_read(file.getvalue(), inner)) == 6
    assert list(tmp_path.iterdir()) == [inner]

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name in NAMES:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
    with pytest.raises(UserError, match="lacks"):
        _read(file.getvalue(), inner)


def test_bombs_end_at_the_limit(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is damaged"):
        _read(tar({"zeros": bytes(20_000_000)} | honest()), tmp_path)
    long_name = bytearray(gzip.decompress(tar({"n" * 200: b""})))
    long_name[124:136] = b"77777777777\0"  # the stated length of a member's name: 8 GiB
    long_name[148:156] = b"%06o\0 " % (sum(long_name[:148]) + 8 * 32 + sum(long_name[156:512]))
    with pytest.raises(UserError, match="is damaged"):
        _read(gzip.compress(bytes(long_name) + bytes(20_000_000)), tmp_path)
    with pytest.raises(UserError, match="lacks"):
        _read(tar({f"empty{i}": b"" for i in range(100)} | honest()), tmp_path)


SMALL = gzip.decompress(tar({name: bytes(3073) for name in NAMES}))


@FUZZ
@given(data=st.data())
def test_fuzz_changed_archives(data: st.DataObject, tmp_path: Path) -> None:
    changed = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        member = data.draw(st.integers(0, 5)) * 4096  # each takes one header and seven blocks
        place = member + data.draw(st.integers(0, 511))
        changed[place : place + 8] = data.draw(st.binary(min_size=1, max_size=8))
        if data.draw(st.booleans()):  # keep the header's checksum right, so that it is believed
            header = changed[member : member + 512]
            changed[member + 148 : member + 156] = b"%06o\0 " % (
                sum(header[:148]) + 8 * 32 + sum(header[156:])
            )
    zipped = gzip.compress(bytes(changed), 1)
    zipped = zipped[: data.draw(st.integers(0, len(zipped)) | st.just(len(zipped)))]
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(zipped)
    try:
        batches = cifar10.read_archive(path, rows_per_batch=1)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert sorted(batches) == sorted(NAMES)
