"""Images are RGB uint8 (H, W, 3) everywhere; this is where they come from and go to PNG."""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.errors import ImageError

RGB = NDArray[np.uint8]
"""(H, W, 3) uint8, red first"""
Luma = NDArray[np.uint8]
"""(H, W) uint8"""

MAX_PIXELS = 100_000_000
"""larger pictures are refused: a few kilobytes can decompress to gigabytes"""
SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B")
"""what Pillow calls grey pictures of 16 bits"""


def read_rgb(path: Path) -> RGB:
    """Reads a still image as (H, W, 3) uint8, upright as its EXIF orientation says, transparency over white.

    Raises:
        ImageError: missing, empty, no image, damaged, or more than MAX_PIXELS.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageError(
            f"{path}: cannot be read ({error.strerror or error}); check the path and its permissions"
        ) from error
    return decode_rgb(content, str(path))


def decode_rgb(content: bytes, name: str) -> RGB:
    """Decodes an encoded image in memory; `name` is what an error calls it. As `read_rgb`."""
    if not content:
        raise ImageError(f"{name}: the file is empty; give a PNG, JPEG, WebP or BMP image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise ImageError(
                        f"{name}: {picture.width}x{picture.height} is more than {MAX_PIXELS:,} pixels; scale it down first"
                    )
                upright = ImageOps.exif_transpose(picture)
                if upright.mode in SIXTEEN_BITS:  # Pillow would make white of all that is above 255
                    upright = Image.fromarray((np.asarray(upright).clip(0, 65535) >> 8).astype(np.uint8))
                if upright.has_transparency_data:
                    layer = upright.convert("RGBA")
                    upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
                return np.asarray(upright.convert("RGB"), dtype=np.uint8)
    except ImageError:
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"{name}: not a readable image ({error}); give a PNG, JPEG, WebP or BMP image") from error


def luma_of(image_HW3: RGB) -> Luma:
    """Luma (H, W) uint8 by the BT.601 weights that OpenCV and Pillow use, rounded to nearest."""
    import cv2  # heavy: only commands that look at pixels pay for it

    return np.asarray(cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """PNG bytes of an RGB (H, W, 3) or luma (H, W) image; lossless, no metadata, the same bytes for the same pixels."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG", compress_level=3)
    return stream.getvalue()


def cut(image_HW3: RGB, left: int, top: int, right: int, bottom: int) -> RGB:
    """A copy of the box's pixels; the box must lie inside the image."""
    return np.ascontiguousarray(image_HW3[top:bottom, left:right])
