"""What needs no net: always the most frequent class, and the class of the training picture that looks most alike.

Three senses of alike: the small picture's pixels, its perceptual hash, and its edges and colours (histograms of oriented
gradients: Dalal & Triggs 2005). A net that is not better than the best of them has learned nothing that looking does not give.
"""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.core.images import RGB
from pipeline.core.manifest import Dataset, Example
from pipeline.core.progress import Progress
from train.examples import read_images
from train.metrics import Classes, majority_guess

SIDE = 48
"""pictures are read at this size"""
PIXELS = 16
"""side of the picture that pixels are compared at"""
CELLS, ANGLES = 6, 9
"""histograms of oriented gradients: cells a side, directions"""
COLOURS = 4
"""levels of each channel in the histogram of colours"""
MOST = 20_000
"""training examples that are looked through; of more, those with the lowest digests"""
CHUNK = 512
"""test examples compared at once"""
NAMES = {
    "majority": "always the most frequent class",
    "nearest_pixels": "nearest neighbour on pixels",
    "nearest_look": "nearest neighbour on the perceptual hash",
    "nearest_features": "nearest neighbour on edges and colours",
}
"""in the tables -> for people"""


def baseline_guesses(
    dataset: Dataset, tested: Sequence[Example], label_of: Callable[[Example], int], progress: Progress
) -> dict[str, Classes]:
    """Name of NAMES -> (N,) guesses for `tested`, learned from the dataset's training split.

    Args:
        dataset: whose training examples are the neighbours.
        tested: examples of the dataset whose class is guessed.
        label_of: the class number of an example.
        progress: told of the pictures read.

    Raises:
        DatasetError: an image is missing or damaged.
    """
    trained = [example for example in dataset.examples if example.split == "train"]
    labels_M = np.array([label_of(example) for example in trained], dtype=np.int64)
    known = neighbours_of(trained)
    known_labels = np.array([label_of(example) for example in known], dtype=np.int64)
    here, there = (_images(dataset, rows, progress) for rows in (tested, known))
    guesses = {"majority": majority_guess(labels_M, len(tested))}
    for name, described in (("nearest_pixels", _pixels), ("nearest_features", _features)):
        guesses[name] = known_labels[_nearest(_all(described, here), _all(described, there))]
    guesses["nearest_look"] = known_labels[_nearest(_hashes(tested), _hashes(known))]
    return {name: guesses[name] for name in NAMES}


def neighbours_of(trained: Sequence[Example]) -> list[Example]:
    """The training examples that are looked through: all, or MOST of them chosen by digest, in the order of their ids."""
    if len(trained) <= MOST:
        return list(trained)
    ranked = sorted(trained, key=lambda example: hashlib.sha256(example.id.encode()).digest())
    return sorted(ranked[:MOST], key=lambda example: example.id)


def _images(dataset: Dataset, examples: Sequence[Example], progress: Progress) -> NDArray[np.uint8]:
    """(N, SIDE, SIDE, 3)"""
    images = read_images(dataset, examples, SIDE, progress).permute(0, 2, 3, 1).numpy()
    return np.asarray(images, dtype=np.uint8)


def _all(described: Callable[[RGB], NDArray[np.float32]], images_NSS3: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.stack([described(image) for image in images_NSS3])


def _pixels(image_SS3: RGB) -> NDArray[np.float32]:
    """(PIXELS * PIXELS * 3,) of the small picture, its mean taken off: a lighter copy is still alike."""
    small = Image.fromarray(image_SS3).resize((PIXELS, PIXELS), Image.Resampling.BOX)
    values = np.asarray(small, dtype=np.float32).reshape(-1) / 255
    return np.asarray(values - values.mean(), dtype=np.float32)


def _features(image_SS3: RGB) -> NDArray[np.float32]:
    """Oriented gradients of each cell, then the histogram of colours; each part of length 1."""
    grey = image_SS3.astype(np.float32).mean(axis=2)
    down, across = np.gradient(grey)
    angle = np.mod(np.arctan2(down, across), np.pi) * (ANGLES / np.pi)
    cell = np.arange(SIDE) * CELLS // SIDE
    place = (cell[:, None] * CELLS + cell[None]) * ANGLES + np.minimum(angle.astype(np.int64), ANGLES - 1)
    edges = np.bincount(place.ravel(), np.hypot(down, across).ravel(), CELLS * CELLS * ANGLES)
    levels = image_SS3.reshape(-1, 3).astype(np.int64) * COLOURS // 256
    colours = np.bincount((levels[:, 0] * COLOURS + levels[:, 1]) * COLOURS + levels[:, 2], minlength=COLOURS**3)
    parts = [np.sqrt(part / max(part.sum(), 1e-9)) for part in (edges, colours.astype(np.float64))]
    return np.concatenate(parts).astype(np.float32)


def _hashes(examples: Sequence[Example]) -> NDArray[np.float32]:
    """(N, 64) bits of the perceptual hashes; squared distance between rows is the Hamming distance."""
    numbers = np.array([int(example.phash or "0", 16) for example in examples], dtype=np.uint64)
    bits = (numbers[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    return bits.astype(np.float32)


def _nearest(here_ND: NDArray[np.float32], there_MD: NDArray[np.float32]) -> NDArray[np.int64]:
    """(N,) rows of `there` that are nearest, the first of equals."""
    lengths_M = (there_MD.astype(np.float64) ** 2).sum(axis=1)
    found = [
        (lengths_M - 2 * (part @ there_MD.T)).argmin(axis=1)
        for part in np.split(here_ND, range(CHUNK, len(here_ND), CHUNK))
    ]
    return np.concatenate(found).astype(np.int64)
