import imagehash
import numpy as np
import PIL
import pytest
from PIL import Image

from pipeline.core.errors import UsageError
from pipeline.duplicates.hashing import HASH_KINDS, as_numbers, as_text, hashes_of, phash
from pipeline.duplicates.scaling import Scaler
from tests.pipeline.duplicates.pictures import any_picture, smooth

PEERS = {
    "phash": imagehash.phash, "dhash": imagehash.dhash, "whash": imagehash.whash, "colour": imagehash.colorhash,
}  # fmt: skip
same_order_of_passes = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13, reason="before Pillow 13 tall pictures are scaled across first"
)


def differing(hash_name: str, pictures: int, seed: int) -> list[tuple[int, ...]]:
    """Shapes of the pictures whose hash is not the one of imagehash."""
    random = np.random.default_rng(seed)
    images = [any_picture(random) for _ in range(pictures)]
    ours = hashes_of(images, hash_name)
    theirs = [int(str(PEERS[hash_name](Image.fromarray(image))), 16) for image in images]
    return [image.shape for image, a, b in zip(images, ours, theirs, strict=True) if int(a) != b]


@same_order_of_passes
@pytest.mark.parametrize(("hash_name", "pictures"), [("phash", 1500), ("dhash", 1500), ("whash", 40), ("colour", 40)])
def test_every_bit_is_the_one_of_imagehash(hash_name: str, pictures: int) -> None:
    assert differing(hash_name, pictures, seed=1) == []


@pytest.mark.slow
@same_order_of_passes
def test_every_bit_of_25_000_pictures_is_the_one_of_imagehash() -> None:
    assert differing("phash", 25_000, seed=2) == []
    assert differing("dhash", 10_000, seed=3) == []


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
@same_order_of_passes
def test_pictures_of_every_mode_hash_as_their_luma_does(mode: str) -> None:
    for seed in range(12):
        image = Image.fromarray(smooth(seed, 60 + 7 * seed, 90)).convert(mode)
        assert phash(np.asarray(image.convert("L"))) == str(imagehash.phash(image))


@same_order_of_passes
def test_every_size_is_scaled_as_pillow_does() -> None:
    random = np.random.default_rng(0)
    scaler = Scaler()
    for size in [*range(1, 300), 333, 500, 777, 1024, 1999]:
        other = int(random.integers(1, 90))
        for shape in ((size, other), (other, size)):
            image = random.integers(0, 256, shape, dtype=np.uint8)
            small = np.empty((32, 32), np.uint8)
            scaler.luma(image, small)
            wanted = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.LANCZOS))
            assert (small == wanted).all(), shape


def test_a_picture_hashes_the_same_alone_in_a_batch_and_out_of_a_larger_array() -> None:
    images = [smooth(n, 40 + n, 50) for n in range(20)]
    assert as_text(hashes_of(images)) == [phash(image) for image in images]
    frame = smooth(1, 200, 200)
    assert phash(frame[20:90, 30:110]) == phash(frame[20:90, 30:110].copy())


def test_text_and_numbers_say_the_same() -> None:
    numbers = np.array([0, 1, 2**64 - 1, 0x0123456789ABCDEF], np.uint64)
    assert as_text(numbers) == ["0" * 16, "0" * 15 + "1", "f" * 16, "0123456789abcdef"]
    assert (as_numbers(as_text(numbers)) == numbers).all()
    assert len(as_numbers([])) == 0


def test_each_hash_has_a_name_and_version_of_its_own() -> None:
    assert len(set(HASH_KINDS.values())) == len(HASH_KINDS) == 4
    with pytest.raises(UsageError, match="--hash must be one of phash, dhash, whash, colour; got 'md5'"):
        hashes_of([], "md5")
