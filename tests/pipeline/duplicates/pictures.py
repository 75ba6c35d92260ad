"""Pictures of every kind for tests: noise, flat, mirrored, enlarged, tiny, very long."""

import numpy as np
from PIL import Image

from pipeline.core.images import RGB, Luma


def smooth(seed: int, width: int = 80, height: int = 80) -> RGB:
    """A picture with large soft shapes."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def any_picture(random: np.random.Generator) -> RGB | Luma:
    """One of all kinds and sizes."""
    width, height = (int(side) for side in random.integers(1, 40 if random.random() < 0.3 else 260, 2))
    if random.random() < 0.03:
        width, height = random.permutation([int(random.integers(1, 30)), int(random.integers(800, 4000))])
    kind = random.integers(0, 6)
    if kind == 0:
        return random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == 1:
        return (random.integers(0, 2, (height, width)) * 255).astype(np.uint8)
    if kind == 2:
        return np.full((height, width, 3), random.integers(0, 256, 3), np.uint8)
    if kind == 3:
        half = random.integers(0, 256, (height, width), dtype=np.uint8)
        return np.concatenate([half, half[:, ::-1]], axis=1)
    cells = random.integers(0, 256, (*random.integers(1, 9, 2), 3), dtype=np.uint8)
    way = Image.Resampling.BICUBIC if kind == 4 else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(cells).resize((width, height), way))
