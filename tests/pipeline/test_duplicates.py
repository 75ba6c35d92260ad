import imagehash
import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import UsageError
from pipeline.core.images import RGB
from pipeline.core.records import Box
from pipeline.duplicates import DedupeOptions, find_groups, look, pairs_within, phash
from tests.records import crop


def picture(seed: int) -> RGB:
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((80, 80), Image.Resampling.BICUBIC))


def test_every_pair_is_found_as_by_comparing_all() -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**63, 3000, dtype=np.uint64)
    for i in range(0, 3000, 7):  # near pairs, also across blocks
        hashes[(i * 31) % 3000] = hashes[i] ^ np.uint64(1 << (i % 60)) ^ np.uint64(1 << ((i * 3) % 50))
    found = {(int(a), int(b)) for i, j in pairs_within(hashes, 4) for a, b in zip(i, j, strict=True)}
    ints = [int(h) for h in hashes]
    expected = {(a, b) for a in range(3000) for b in range(a + 1, 3000) if (ints[a] ^ ints[b]).bit_count() <= 4}
    assert found == expected
    assert len(found) > 100


def test_phash_is_the_one_of_imagehash() -> None:
    assert phash(picture(3)) == str(imagehash.phash(Image.fromarray(picture(3))))


def test_groups_join_what_is_alike_over_episodes_and_keep_the_best() -> None:
    a, b = picture(1), picture(2)
    noisy = np.clip(a.astype(int) + np.random.default_rng(0).integers(-4, 5, a.shape), 0, 255).astype(np.uint8)
    images = {"c1": a, "c2": noisy, "c3": b, "c4": a}
    crops = [crop("c1"), crop("c2", episode="e2", box=Box(left=0, top=0, right=90, bottom=90)), crop("c3"), crop("c4")]
    hashes, looks = {k: phash(v) for k, v in images.items()}, {k: look(v) for k, v in images.items()}
    [group] = find_groups(crops, hashes, looks, DedupeOptions())
    assert group.members == ("c1", "c2", "c4")
    assert group.kept == "c2", "the largest face stands for its group"
    assert group.diameter_bits <= 6
    assert find_groups(crops[::-1], hashes, looks, DedupeOptions()) == [group]


def test_the_same_hash_with_another_look_is_no_duplicate() -> None:
    red, blue = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)
    red[..., 0], blue[..., 2] = 150, 150
    hashes = {"c1": "ff00ff00ff00ff00", "c2": "ff00ff00ff00ff00"}
    assert find_groups([crop("c1"), crop("c2")], hashes, {"c1": look(red), "c2": look(blue)}, DedupeOptions()) == []


def test_a_distance_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="--distance must be 0 to 64 bits, got 65"):
        DedupeOptions(distance=65)
    assert find_groups([], {}, {}, DedupeOptions()) == []
