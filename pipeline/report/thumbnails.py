"""Small pictures that lie inside the page, under one budget of bytes."""

import base64
import io
import logging
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from pipeline.core.errors import InputError
from pipeline.core.files import FileStore
from pipeline.core.images import RGB, decode_rgb

log = logging.getLogger(__name__)

BUDGET_BYTES = 15_000_000
"""of encoded pictures on one page; base64 makes 20 MB of it"""
FRAME_PIXELS = 400
"""longest side of a shot's thumbnail"""
CROP_PIXELS = 128
"""longest side of a face's thumbnail"""
QUALITY = 74
"""WebP; faces stay readable, a frame takes about 12 kB"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image for an <img>."""

    uri: str
    """`data:image/webp;base64,...`"""
    width: int
    """pixels"""
    height: int
    """pixels"""


@dataclass(slots=True)
class Gallery:
    """Makes the page's pictures and stops when the budget is spent."""

    budget_bytes: int = BUDGET_BYTES
    """what all pictures together may take, encoded"""
    used_bytes: int = 0
    """so far"""
    refused: int = 0
    """pictures that the budget left out"""
    missing: list[str] = field(default_factory=list)
    """why pictures could not be read"""

    def of_image(self, image_HW3: RGB, longest: int) -> Picture | None:
        """A thumbnail; None when the budget is spent."""
        if self._is_full():
            return None
        return self.of_webp(thumbnail(image_HW3, longest))

    def of_webp(self, content: bytes) -> Picture | None:
        """What `thumbnail` has made; None when the budget is spent. Raises InputError where it is no picture."""
        try:
            with Image.open(io.BytesIO(content), formats=("WEBP",)) as small:
                width, height = small.size
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(f"a thumbnail is damaged ({error})") from error
        if self._is_full():
            return None
        self.used_bytes += len(content)
        uri = "data:image/webp;base64," + base64.b64encode(content).decode("ascii")
        return Picture(uri=uri, width=width, height=height)

    def of_stored(self, store: FileStore, sha256: str, longest: int = CROP_PIXELS) -> Picture | None:
        """The thumbnail of a PNG in the store; None (and noted) when it is gone or damaged."""
        try:
            return self.of_image(decode_rgb(store.read(sha256, ".png"), f"{sha256}.png"), longest)
        except (InputError, OSError) as error:
            self._note(error)
            return None

    def of_file(self, path: Path, longest: int = CROP_PIXELS) -> Picture | None:
        """The thumbnail of an image file; None (and noted) when it is gone or damaged."""
        try:
            return self.of_image(decode_rgb(path.read_bytes(), str(path)), longest)
        except (InputError, OSError) as error:
            self._note(error)
            return None

    def _is_full(self) -> bool:
        if self.used_bytes < self.budget_bytes:
            return False
        self.refused += 1
        return True

    def _note(self, error: Exception) -> None:
        log.warning("%s", error)
        self.missing.append(str(error))


def thumbnail(image_HW3: RGB, longest: int) -> bytes:
    """WebP whose longer side is at most `longest` pixels, aspect kept, never enlarged."""
    small = Image.fromarray(image_HW3)
    small.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=3.0)
    stream = io.BytesIO()
    small.save(stream, format="WEBP", quality=QUALITY, method=3)
    return stream.getvalue()
