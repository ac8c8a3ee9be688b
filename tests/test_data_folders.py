"""Folders of image files: grey and colour, 8 and 16 bit, damaged ones, links and bombs."""

import io

import numpy as np
import pytest
from datafiles import FUZZ
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from fcnet.data import Reading, folders, load, pictures
from fcnet.data.form import ImageForm, form_from
from fcnet.data.unseen import load_unseen
from fcnet.errors import UserError

rng = np.random.default_rng(0)


def save(path, pixels=None, *, size=(8, 6), mode="L", **options):
    """Write an image of random pixels, `size` is width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if pixels is None:
        shape = (size[1], size[0], 3) if mode == "RGB" else size[::-1]
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return pixels


def folder(root, *, n=6, ending="png", **options):
    """Write n images of either class."""
    for kind in ("cat", "dog"):
        for i in range(n):
            save(root / kind / f"{i}.{ending}", **options)
    return root


def test_a_folder_for_each_class_gives_its_pixels(tmp_path):
    first = folder(tmp_path, n=7) / "cat" / "0.png"
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "cat" / ".thumbs").touch()
    said = []
    data = load(str(tmp_path), say=said.append)
    assert (data.class_names, data.image_shape) == (("cat", "dog"), (1, 6, 8))
    assert data.form == ImageForm((1, 6, 8), 8)
    assert (data.images.dtype, data.images.shape, data.test_size) == (np.uint8, (12, 48), 2)
    assert data.name == tmp_path.name
    assert "2 of its 14 rows" in said[1]
    assert said[0] == (
        f"Passed over in {tmp_path}: 1 .txt; images are files that end in .png, .jpg, .jpeg, .bmp, .webp,"
        " .tif, .tiff, each in the folder of its class."
    )
    everything = {row.tobytes() for row in (*data.images, *data.open_test()[0])}
    assert np.asarray(Image.open(first)).tobytes() in everything


def test_train_and_test_folders_are_the_two_parts(tmp_path):
    folder(tmp_path / "train", mode="RGB")
    folder(tmp_path / "test", n=2, mode="RGB", ending="jpg")
    said = []
    data = load(str(tmp_path), say=said.append)
    assert (data.image_shape, len(data.labels), data.test_size, said) == ((3, 6, 8), 12, 4, [])
    pixels = np.asarray(Image.open(tmp_path / "train" / "cat" / "0.png"))
    np.testing.assert_array_equal(data.images[0].reshape(3, 6, 8), pixels.transpose(2, 0, 1))


def test_what_is_passed_over_is_counted_by_kind(tmp_path):
    folder(tmp_path / "train")
    folder(tmp_path / "test", n=2)
    for place in ("train/cat/1.gif", "train/dog/1.GIF", "test/dog/2.gif", "train/dog/readme", "train/0.png"):
        (tmp_path / place).touch()
    for nested in ("a", "b"):
        save(tmp_path / "train" / "cat" / nested / "1.png")
    said = []
    data = load(str(tmp_path), say=said.append)
    assert (len(data.labels), data.test_size, len(said)) == (12, 4, 1)
    assert said[0].startswith(
        f"Passed over in {tmp_path}: 3 .gif, 2 folders, 1 .png, 1 without a suffix; images are files that end"
    )


@pytest.mark.parametrize(
    ("parts", "words"), [(["train"], "train is read"), (["train", "test"], "train and test are read")]
)
def test_a_folder_beside_train_is_told_that_it_is_not_read(tmp_path, parts, words):
    for part in (*parts, "val"):
        folder(tmp_path / part)
    (tmp_path / ".git").mkdir()
    said = []
    load(str(tmp_path), say=said.append)
    assert said[0] == (
        f"In {tmp_path} only {words}, not val: a fifth of each class of train is held out for validation."
    )


def test_classes_that_do_not_go_together_are_told_of_the_folders(tmp_path):
    for i in range(6):
        save(tmp_path / "pets" / "cat" / f"{i}.png")
    with pytest.raises(
        UserError, match=r"^the set of folders in pets holds one class only, 'cat'; at least two are needed$"
    ):
        load(str(tmp_path / "pets"), say=print)
    (tmp_path / "pets").rename(tmp_path / "train")
    with pytest.raises(UserError, match=r"^the folder train in test_\w+ holds one class only, 'cat'"):
        load(str(tmp_path), say=print)
    folder(tmp_path / "train")
    save(tmp_path / "test" / "cow" / "0.png")
    with pytest.raises(
        UserError, match=r"the folder test in \w+ holds cow, a class that the folder train does"
    ):
        load(str(tmp_path), say=print)


def test_colour_among_grey_and_palettes_makes_all_colour(tmp_path):
    folder(tmp_path)
    save(tmp_path / "cat" / "0.png", mode="RGB")
    Image.fromarray(np.zeros((6, 8), np.uint8)).convert("P").save(tmp_path / "dog" / "1.png")
    assert load(str(tmp_path), say=print).image_shape == (3, 6, 8)


def test_sixteen_bits_are_kept_and_eight_stretched(tmp_path):
    folder(tmp_path)
    deep = rng.integers(0, 65536, (6, 8), dtype=np.uint16)
    save(tmp_path / "cat" / "0.png", deep)
    grey = np.asarray(Image.open(tmp_path / "cat" / "1.png"))
    data = load(str(tmp_path), say=print)
    assert (data.form, data.images.dtype) == (ImageForm((1, 6, 8), 16), np.float32)
    everything = {row.tobytes() for row in (*data.images, *data.open_test()[0])}
    assert deep.astype(np.float32).tobytes() in everything
    assert (grey.astype(np.float32) * 257).tobytes() in everything


def test_sizes_must_agree_or_be_given(tmp_path):
    folder(tmp_path)
    save(tmp_path / "dog" / "3.png", size=(10, 20))
    with pytest.raises(UserError) as error:
        load(str(tmp_path), say=print)
    assert "differ in size, such as cat/0.png of 8 x 6 and dog/3.png of 10 x 20" in str(error.value)
    assert "say --image-size 32" in str(error.value)
    assert load(str(tmp_path), reading=Reading(image_size=5), say=print).image_shape == (1, 5, 5)
    with pytest.raises(UserError, match=r"40,000 values, more than 12,288: say --image-size 32"):
        load(str(tmp_path), reading=Reading(image_size=200), say=print)


def test_damaged_files_are_counted_and_named_and_end_it_unless_skipped(tmp_path):
    folder(tmp_path, n=8)
    whole = (tmp_path / "cat" / "2.png").read_bytes()
    (tmp_path / "cat" / "2.png").write_bytes(whole[: len(whole) // 2])  # a header, no pixels
    (tmp_path / "dog" / "5.png").write_bytes(b"GIF89a nothing")
    with pytest.raises(UserError) as error:
        load(str(tmp_path), say=print)
    assert str(error.value).startswith(f"2 of 16 images in {tmp_path} are damaged")
    (tmp_path / "dog" / "5.png").unlink()
    with pytest.raises(UserError, match=f"1 of 15 images in {tmp_path} is damaged"):
        load(str(tmp_path), say=print)
    (tmp_path / "dog" / "5.png").write_bytes(b"GIF89a nothing")
    assert "(cat/2.png, dog/5.png): mend or remove them, or say --skip-damaged" in str(error.value)
    said = []
    data = load(str(tmp_path), reading=Reading(skip_damaged=True), say=said.append)
    assert len(data.labels) + data.test_size == 14
    assert said[0].startswith("2 of 16 images in")
    assert said[0].endswith("are damaged and left out.")
    (tmp_path / "dog" / "5.png").unlink()
    load(str(tmp_path), reading=Reading(skip_damaged=True), say=said.append)
    assert said[2] == f"1 of 15 images in {tmp_path} is damaged and left out."


def test_links_out_of_the_folder_are_refused_and_those_within_are_not(tmp_path):
    root, other = folder(tmp_path / "images"), save(tmp_path / "secret.png") is not None
    (root / "cat" / "9.png").symlink_to(root / "cat" / "1.png")
    assert load(str(root), say=print).test_size == 2
    (root / "cat" / "8.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(UserError, match=r"cat/8\.png is a link that leads out of"):
        load(str(root), say=print)
    (root / "cat" / "8.png").unlink()
    (root / "cow").symlink_to(tmp_path)
    with pytest.raises(UserError, match=r"cow is a link that leads out of"):
        load(str(root), say=print)
    assert other


def test_a_bomb_is_refused_by_its_header(tmp_path, monkeypatch):
    folder(tmp_path)
    Image.new("1", (9000, 9000)).save(tmp_path / "cat" / "3.png")  # 10 KB that become 81 million pixels
    loaded, load_pixels = [], ImageFile.ImageFile.load
    monkeypatch.setattr(
        ImageFile.ImageFile, "load", lambda self: (loaded.append(self.size), load_pixels(self))[1]
    )
    with pytest.raises(UserError, match=r"1 of 12 .* larger than 50 million pixels \(cat/3\.png\)"):
        load(str(tmp_path), say=print)
    assert set(loaded) == {(8, 6)}
    monkeypatch.undo()
    (tmp_path / "cat" / "3.png").unlink()
    monkeypatch.setattr(pictures, "MAX_BYTES", 100)
    with pytest.raises(UserError, match="are more than 1 GiB: say a smaller --image-size"):
        load(str(tmp_path), say=print)


def test_a_camera_that_was_turned(tmp_path):
    folder(tmp_path, size=(6, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    pixels = save(tmp_path / "cat" / "0.png", size=(8, 6), exif=exif)
    data = load(str(tmp_path), say=print)
    assert data.image_shape == (1, 8, 6)
    everything = {row.tobytes() for row in (*data.images, *data.open_test()[0])}
    assert np.ascontiguousarray(np.rot90(pixels, -1)).tobytes() in everything


def test_images_to_predict_from_take_the_models_form(tmp_path):
    folder(tmp_path / "a", n=1, size=(20, 30), mode="RGB")
    form = ImageForm((1, 6, 8), 8)
    found = load_unseen(str(tmp_path / "a"), form, say=print)
    assert found.rows.shape == (2, 48)
    assert found.names == [str(tmp_path / "a" / kind / "0.png") for kind in ("cat", "dog")]
    alone = load_unseen(str(tmp_path / "a" / "dog" / "0.png"), form, say=print)
    np.testing.assert_array_equal(alone.rows[0], found.rows[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no files that end in \.png"):
        load_unseen(str(tmp_path / "empty"), form, say=print)
    with pytest.raises(UserError, match="is a folder, but the model was trained on arrays"):
        load_unseen(str(tmp_path / "a"), None, say=print)
    (tmp_path / "a" / "dog" / "0.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 of 2 images .* \(dog/0\.png\): mend or remove them$"):
        load_unseen(str(tmp_path / "a"), form, say=print)


def test_a_file_that_is_no_image_to_predict_from_is_told_why(tmp_path):
    form, said = ImageForm((1, 6, 8), 8), []
    for name in ("nosuch.png", "n" * 300):
        with pytest.raises(UserError) as error:
            load_unseen(str(tmp_path / name), form, say=print)
        assert str(error.value) == (
            f"{tmp_path / name} does not exist: name an image file, or a folder of some"
        )
    save(tmp_path / "moving.gif")
    with pytest.raises(UserError) as error:
        load_unseen(str(tmp_path / "moving.gif"), form, say=print)
    assert str(error.value) == f"{tmp_path / 'moving.gif'} is in a format that is not read: convert it to PNG"
    (tmp_path / "bad.png").write_bytes(b"x")
    for source in ("bad.png", "."):
        with pytest.raises(UserError) as error:
            load_unseen(str(tmp_path / source), form, say=print)
        assert str(error.value) == (
            f"{tmp_path / 'bad.png'} is damaged, or larger than 50 million pixels: mend it, or name"
            " another image"
        )
    save(tmp_path / "bad.png").tolist()
    (tmp_path / "bad.png").rename(tmp_path / "image")  # what it is follows from its content
    assert load_unseen(str(tmp_path / "image"), form, say=print).names == [str(tmp_path / "image")]
    save(tmp_path / "good.png")
    assert len(load_unseen(str(tmp_path), form, say=said.append).rows) == 1
    assert said == [
        f"Passed over in {tmp_path}: 1 without a suffix, 1 .gif; images are files that end in .png, .jpg,"
        " .jpeg, .bmp, .webp, .tif, .tiff."
    ]


def test_a_folder_without_classes_says_what_is_needed(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"no images in folders of classes: keep them as .*/CLASS/NAME\.png"):
        load(str(tmp_path), say=print)


def seeds():
    """Return small files of every kind."""
    found, pixels = [], rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    for kind in ("PNG", "JPEG", "BMP", "WEBP", "TIFF"):
        for image in (
            Image.fromarray(pixels),
            Image.fromarray(pixels[..., 0]),
            Image.fromarray(pixels).quantize(),
        ):
            buffer = io.BytesIO()
            image.convert("RGB" if kind in ("JPEG", "WEBP") else image.mode).save(buffer, kind)
            found.append(buffer.getvalue())
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 200).save(buffer, "PNG")
    return [*found, buffer.getvalue()]


SEEDS = seeds()


@FUZZ
@given(seed=st.sampled_from(SEEDS), side=st.sampled_from([None, 4]), data=st.data())
def test_fuzz_changed_images(tmp_path_factory, seed, side, data):
    changed = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(changed)))
        removed = data.draw(st.integers(0, 4))
        changed[place : place + removed] = data.draw(st.binary(max_size=5))
    path = tmp_path_factory.getbasetemp() / "fuzzed.png"
    path.write_bytes(changed)
    try:
        images, form, is_damaged = folders.read_images([path], path.parent, side)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert images.shape == (1, *form.shape)
        assert not is_damaged.any()


@FUZZ
@given(text=st.text(max_size=40) | st.sampled_from(['{"type":"images"}', '{"type":"table","columns":[{}]}']))
def test_fuzz_forms(text):
    with pytest.raises(ValueError, match="no form of files"):
        form_from(text)
