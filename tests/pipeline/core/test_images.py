import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import ImageError
from pipeline.core.images import decode_rgb, encode_png, luma_of, read_rgb


def test_png_loses_nothing_and_is_the_same_bytes_again() -> None:
    image = np.random.default_rng(0).integers(0, 255, (7, 5, 3), dtype=np.uint8)
    assert (decode_rgb(encode_png(image), "x") == image).all()
    assert encode_png(image) == encode_png(image.copy())


def test_transparency_lies_over_white_and_orientation_is_applied() -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(stream, "PNG")
    assert (decode_rgb(stream.getvalue(), "x") == 255).all()
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(stream, "JPEG", exif=exif)
    assert decode_rgb(stream.getvalue(), "x").shape == (8, 4, 3)


def test_luma_is_bt601() -> None:
    assert luma_of(np.full((1, 1, 3), (255, 0, 0), dtype=np.uint8)).tolist() == [[76]]


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "the file is empty"), (b"no image", "not a readable image"), (b"\x89PNG\r\n\x1a\n123", "not a readable image")]
)  # fmt: skip
def test_a_bad_image_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"bad\.png: {says}"):
        read_rgb(path)


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (12000, 10000)).save(path)
    with pytest.raises(ImageError, match="12000x10000 is more than"):
        read_rgb(path)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.png: cannot be read \(No such file"):
        read_rgb(tmp_path / "gone.png")
