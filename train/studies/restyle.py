"""Training pictures in another look, made once and kept by digest: cartoonified, or each in a style drawn by lot."""

import hashlib
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.core.errors import DatasetError, ImageError, UsageError
from pipeline.core.files import FileStore, digest_of, write_json
from pipeline.core.images import RGB, decode_rgb, encode_png
from pipeline.core.manifest import Dataset, Example
from pipeline.core.progress import Progress
from train.studies.cartoonify import METHODS, Method, cartoonified
from train.studies.derived import derived

VERSION = 1
"""of what this file and cartoonify.py make of a picture; raise it when they make something else"""
INDEX = "made.json"
DIGEST = re.compile(r"[0-9a-f]{64}")
THREADS = 2
"""OpenCV works outside the interpreter's lock"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How pictures are changed. Raises UsageError when a value makes no sense."""

    method: Method | None
    """of METHODS; none: a method, a strength and colours by lot for each picture, from its digest"""
    strength: float = 0.5
    """0: not at all, 1: the most; with a style by lot the strongest there is"""

    def __post_init__(self) -> None:
        if self.method is not None and self.method not in METHODS:
            raise UsageError(f"there is no method {self.method!r}; known are {', '.join(METHODS)}")
        if not 0.0 <= self.strength <= 1.0:
            raise UsageError(f"strength must be from 0 to 1, got {self.strength!r}")

    @property
    def words(self) -> str:
        """For tables and digests."""
        return f"{self.method or 'style and colours by lot'}, strength {self.strength:g}"


def restyled(
    dataset: Dataset, look: Look, cache: Path, progress: Progress, splits: Sequence[str] = ("train", "val")
) -> Dataset:
    """The dataset with the pictures of these splits changed; they are made once and kept in `cache`.

    Validation changes with training: it chooses the epoch of a net that has seen nothing else. The test split stays.

    Raises:
        DatasetError: a picture is missing or damaged.
        DiskFullError: no room for the changed ones.
    """
    rows = [example for example in dataset.examples if example.split in splits]
    store = FileStore(cache / digest_of([VERSION, look.words])[:16])
    known = _Index(store, look)
    with ThreadPoolExecutor(THREADS) as pool, progress.step(f"restyle: {look.words}", len(rows), "images") as step:
        for example, made in zip(rows, pool.map(lambda e: known.made(dataset, e), rows), strict=True):
            known.keep(example.sha256, made)
            step.advance()
    known.save()
    examples = [
        replace(e, sha256=known.digest(e.sha256)) if e.split in splits else e for e in dataset.examples
    ]  # fmt: skip
    elsewhere = {known.digest(e.sha256): store.path(known.digest(e.sha256), ".png") for e in rows}
    return derived(dataset, examples, {"restyled": [VERSION, look.words]}, elsewhere=elsewhere)


def in_look(image_HW3: RGB, look: Look, digest: str) -> RGB:
    """One picture in that look; `digest` is what a style by lot is drawn from."""
    if look.method is not None:
        return cartoonified(image_HW3, look.method, look.strength)
    draw = np.random.default_rng(int(hashlib.sha256(digest.encode()).hexdigest()[:16], 16))
    method: Method | None = (*METHODS, None)[int(draw.integers(len(METHODS) + 1))]
    strength = float(draw.uniform(0.2, 1.0)) * look.strength
    drawn = image_HW3 if method is None else cartoonified(image_HW3, method, strength)
    return _recoloured(drawn, look.strength, draw)


def _recoloured(image_HW3: RGB, strength: float, draw: np.random.Generator) -> RGB:
    """Hues turned about the grey axis, more or less colour, another gamma: shapes stay, colours tell nothing."""
    angle, colour = float(draw.uniform(-np.pi, np.pi)) * strength, float(np.exp(draw.uniform(-1, 1) * strength))
    gamma = float(np.exp(draw.uniform(-0.7, 0.7) * strength))
    third, cosine, sine = 1 / 3, np.cos(angle), np.sin(angle) / np.sqrt(3)
    circulant = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=np.float64)
    grey = np.full((3, 3), third)
    turn_33 = grey + colour * (cosine * (np.eye(3) - grey) + sine * circulant)
    values = np.clip((image_HW3.astype(np.float64) / 255) @ turn_33.T, 0, 1) ** gamma
    return np.asarray(np.rint(values * 255), dtype=np.uint8)


class _Index:
    """Digest of a picture -> digest of the one made of it."""

    def __init__(self, store: FileStore, look: Look) -> None:
        self.store, self.look = store, look
        self.known = _read(store.root / INDEX)

    def made(self, dataset: Dataset, example: Example) -> str:
        """Digest of the changed picture, from the store where it is there. Raises DatasetError."""
        found = self.known.get(example.sha256, "")
        if found and self.store.path(found, ".png").is_file():
            return found
        content = _checked_bytes(dataset, example)
        try:
            picture = in_look(decode_rgb(content, example.file), self.look, example.sha256)
        except ImageError as error:
            raise DatasetError(f"{dataset.folder}: {error}; export the dataset again, or restore the file") from error
        return self.store.put(encode_png(picture), ".png")

    def keep(self, source: str, made: str) -> None:
        """Remembers it."""
        self.known[source] = made

    def digest(self, source: str) -> str:
        """Of the changed picture."""
        return self.known[source]

    def save(self) -> None:
        """Writes the index. Raises DiskFullError."""
        write_json(self.store.root / INDEX, dict(sorted(self.known.items())))


def _read(path: Path) -> dict[str, str]:
    """The index; an unreadable one is as good as none, since pictures can be made again."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    usable = isinstance(found, dict) and all(
        isinstance(digest, str) and DIGEST.fullmatch(digest) for digest in found.values()
    )
    return found if usable else {}


def _checked_bytes(dataset: Dataset, example: Example) -> bytes:
    try:
        content = dataset.image_path(example).read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{dataset.folder}: {example.file} cannot be read ({error.strerror or error}); export the dataset again"
        ) from error
    if hashlib.sha256(content).hexdigest() != example.sha256:
        raise DatasetError(f"{dataset.folder}: {example.file} differs from what was exported; export it again")
    return content
