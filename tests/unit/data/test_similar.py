"""Near-duplicates: the hash by hand, the groups by brute force, and what is said of them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transferkit.data import from_arrays, from_directory, near_duplicates
from transferkit.data.hashing import difference_hash, grouped
from transferkit.errors import DecodeError, SpecError


def scene(value: int, size: tuple[int, int] = (60, 80)) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Soft blobs that no other `value` has."""
    coarse = np.random.default_rng(value).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC))


def save(path: Path, pixels: Any, **keywords: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **keywords)
    return path


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """The first cat of `train` is in `val` at half its size, and twice in `train` itself."""
    for number, (split, name) in enumerate(itertools.product(("train", "val"), ("cat", "dog"))):
        for i in range(4):
            save(tmp_path / split / name / f"{i}.png", scene(10 * number + i))
    save(tmp_path / "train" / "dog" / "again.jpg", scene(0), quality=60)
    save(tmp_path / "val" / "cat" / "half.png", scene(0)[::2, ::2].copy())
    save(tmp_path / "val" / "dog" / "twin.jpg", scene(33), quality=50)
    return tmp_path


def test_the_hash_is_what_it_says() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (8, 9), dtype=np.uint8)
    expected = [wide[y, x + 1] > wide[y, x] for y in range(8) for x in range(8)]
    assert np.unpackbits(difference_hash(wide[..., None]))[:64].astype(bool).tolist() == expected
    high = wide.T.copy()
    expected = [high[y + 1, x] > high[y, x] for y in range(8) for x in range(8)]
    assert np.unpackbits(difference_hash(high[..., None]))[64:].astype(bool).tolist() == expected


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_pictures_of_any_channels_have_a_hash(channels: int) -> None:
    pixels = np.repeat(scene(1)[..., :1], channels, axis=-1)
    np.testing.assert_array_equal(
        difference_hash(pixels), difference_hash(pixels.astype(np.float32))
    )
    np.testing.assert_array_equal(difference_hash(pixels), difference_hash(scene(1)[..., :1]))


def brute_force(hashes: Any, most: int) -> list[list[int]]:
    bits = np.unpackbits(hashes, axis=1)
    group = list(range(len(bits)))
    for a, b in itertools.combinations(range(len(bits)), 2):
        if int((bits[a] != bits[b]).sum()) <= most:
            old, new = group[b], group[a]
            group = [new if g == old else g for g in group]
    found = [[i for i, g in enumerate(group) if g == name] for name in sorted(set(group))]
    return sorted(members for members in found if len(members) > 1)


@pytest.mark.parametrize("most", range(16))
def test_groups_are_those_of_comparing_each_with_each(most: int) -> None:
    generator = np.random.default_rng(most)
    hashes = generator.integers(0, 256, (60, 16), dtype=np.uint8)
    hashes[:10] = 0
    for i in range(1, 60):  # a copy of somebody before, so many bits from it
        if generator.random() < 0.5:
            bits = np.unpackbits(hashes[generator.integers(0, i)])
            bits[generator.permutation(128)[: generator.integers(0, most + 3)]] ^= 1
            hashes[i] = np.packbits(bits)
    expected = brute_force(hashes, most)
    assert expected
    assert grouped(hashes, most) == expected
    assert grouped(hashes[::-1].copy(), most) == brute_force(hashes[::-1].copy(), most)


def test_nothing_alike_makes_no_group() -> None:
    distinct = np.arange(32, dtype=np.uint8)[:, None] * np.full(16, 255 // 31, np.uint8)
    assert grouped(distinct[::8], 0) == []
    assert grouped(distinct[:1], 8) == []


def test_many_hashes_take_little_time() -> None:
    hashes = np.random.default_rng(0).integers(0, 256, (20_000, 16), dtype=np.uint8)
    hashes[1000:2000] = hashes[:1000]
    hashes[1000:2000, 3] ^= 5
    assert grouped(hashes, 8) == [[i, i + 1000] for i in range(1000)]


@pytest.mark.parametrize("size", [None, 32])
def test_copies_that_were_resized_or_saved_again_are_found(pets: Path, size: int | None) -> None:
    photos = from_directory(pets, image_size=size, fit="stretch")
    found = near_duplicates(photos)
    names = [
        {Path(str(found.paths[place])).relative_to(pets).as_posix() for place in g}
        for g in found.groups
    ]
    assert names == [
        {"train/cat/0.png", "train/dog/again.jpg", "val/cat/half.png"},
        {"val/dog/3.png", "val/dog/twin.jpg"},
    ]
    assert found.leaks == found.groups[:1]
    assert len(found) == 2
    for group in found.groups:
        for split, index in group:
            assert photos.splits[split].paths[index] == found.paths[split, index]
    assert photos.report.duplicates == (), "their bytes differ"


def test_what_is_printed_names_two_of_each_group(pets: Path) -> None:
    found = near_duplicates(from_directory(pets))
    lines = str(found).splitlines()
    assert lines[0] == (
        "2 groups of pictures that look alike, 1 of which lies in more than one split"
    )
    assert [line.split()[0] for line in lines[1:]] == ["pictures", "3", "2"]
    assert "train, val" in lines[2]
    assert "cat/0.png" in lines[2]
    assert "half.png" in lines[2], "of two splits, since it lies in two"
    page = found._repr_html_()
    assert page.count("<tr>") == 3
    assert str(pets / "val" / "cat" / "half.png") in page


def test_arrays_are_named_by_their_place_and_none_is_said() -> None:
    images = np.stack([scene(i, (24, 24)) for i in range(20)])
    photos = from_arrays(images, [0, 1] * 10, val=0)
    assert str(near_duplicates(photos)) == "0 groups of pictures that look alike"
    images[7] = np.clip(images[3].astype(int) + 2, 0, 255)
    twins = from_arrays(images, [0, 1] * 10, val=0)
    assert near_duplicates(twins).groups == ((("train", 3), ("train", 7)),)
    assert "train[3] and train[7]" in str(near_duplicates(twins))
    assert "0 of which lie in more than one split" in str(near_duplicates(twins))
    assert near_duplicates(twins, distance=0).groups in ((), ((("train", 3), ("train", 7)),))


def test_only_ten_groups_are_printed() -> None:
    images = np.repeat(np.stack([scene(i, (24, 24)) for i in range(12)]), 2, axis=0)
    photos = from_arrays(images, [0, 1] * 12, val=0)
    for text in (str(near_duplicates(photos)), near_duplicates(photos)._repr_html_()):
        assert "12 groups" in text
        assert "... and 2 more" in text


def test_names_are_escaped(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / name / "<b>\x1b[2J.png", scene(1))
        save(tmp_path / name / "x.png", scene(ord(name)))
    found = near_duplicates(from_directory(tmp_path, val=0))
    assert "<b>" not in found._repr_html_()
    assert all(line.isprintable() for line in str(found).splitlines())


@pytest.mark.parametrize("distance", [-1, 16, 2.5, "near"])
def test_distances_out_of_range_are_refused(pets: Path, distance: Any) -> None:
    with pytest.raises(SpecError) as caught:
        near_duplicates(from_directory(pets), distance=distance)
    text = str(caught.value)
    assert "near_duplicates: the distance is out of range" in text
    assert f"distance={distance!r}" in text
    assert "tk.data.near_duplicates(photos, distance=8)" in text


def test_a_file_that_went_bad_meanwhile_is_named(pets: Path) -> None:
    photos = from_directory(pets)
    (pets / "train" / "cat" / "0.png").write_bytes(b"")
    with pytest.raises(DecodeError, match=r"0\.png cannot be read: the file is empty"):
        near_duplicates(photos)


def test_of_real_photos_only_the_copies_are_alike(assets: Path, tmp_path: Path) -> None:
    photos = sorted((assets / "hymenoptera" / "val" / "bees").glob("*.jpg"))[:40]
    for photo in photos:
        with Image.open(photo) as picture:
            picture.load()
        half = picture.convert("L").resize((picture.width // 2, picture.height // 2))
        for name, made in (("whole", picture), ("half", half)):
            (tmp_path / name).mkdir(exist_ok=True)
            made.save(tmp_path / name / photo.name, quality=70)
    found = near_duplicates(from_directory(tmp_path, val=0))
    names = [
        sorted(Path(str(found.paths[place])).name for place in group) for group in found.groups
    ]
    assert sorted(names) == [[photo.name] * 2 for photo in photos]


def test_what_is_no_data_is_refused() -> None:
    split = from_arrays(np.zeros((4, 8, 8, 3), np.uint8), [0, 1] * 2, val=0).train
    things: tuple[Any, ...] = ("flowers/", split)
    for thing in things:
        with pytest.raises(SpecError, match=f"{type(thing).__name__} is no data"):
            near_duplicates(thing)
