"""The drawn faces as if photographed: the same classes in another look, for the studies of domain shift."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from pipeline.core.images import RGB, encode_png, read_rgb
from pipeline.core.manifest import Dataset
from tests.train.faces import rewrite


def photographed(image_HW3: RGB, draw: np.random.Generator) -> RGB:
    """Light from one side, a textured ground, a soft lens, noise, few colours: a face drawn so looks rendered."""
    height, width = image_HW3.shape[:2]
    soft = Image.fromarray(image_HW3).filter(ImageFilter.GaussianBlur(1.2))
    values = np.asarray(soft, dtype=np.float64) / 255
    values = values.mean(axis=2, keepdims=True) * 0.6 + values * 0.4
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    angle = draw.uniform(0, 2 * np.pi)
    light = 0.75 + 0.45 * (np.cos(angle) * (columns - 0.5) + np.sin(angle) * (rows - 0.5))
    texture = draw.normal(0, 1, (height // 4 + 2, width // 4 + 2))
    texture = np.kron(texture, np.ones((4, 4)))[:height, :width] * 0.05
    noise = draw.normal(0, 0.03, values.shape)
    lit = values * light[..., None] * np.array([1.0, 0.88, 0.76]) + texture[..., None] + noise
    return np.asarray(np.clip(lit * 255, 0, 255), dtype=np.uint8)


def photographed_dataset(drawn: Dataset, folder: Path, name: str = "photos") -> Dataset:
    """The same rows, their pictures photographed, as a dataset version of its own in `folder`; ids and shots its own, too."""
    draw, examples = np.random.default_rng(7), []
    for example in drawn.examples:
        content = encode_png(photographed(read_rgb(drawn.folder / example.file), draw))
        target = folder / example.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        examples.append(replace(example, id=f"{name}.{example.id}", sha256=digest, shot=f"{name}.{example.shot}"))
    return rewrite(folder, examples, drawn.manifest.classes, name)
