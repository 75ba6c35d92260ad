"""Small drawn faces as real dataset folders: what every test of train/ learns from."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pipeline.core.images import RGB, encode_png
from pipeline.core.manifest import Dataset, Example, Manifest, content_digest, read_dataset, write_rows
from pipeline.core.places import Box

EMOTIONS = ("angry", "happy", "sad")
SIZES = {"train": 24, "val": 6, "test": 9}


def draw_face(emotion: str, draw: np.random.Generator) -> RGB:
    """A head on a plain ground, its colours random, its mouth and brows the emotion's; 40 to 64 pixels a side."""
    width, height = (int(side) for side in draw.integers(40, 65, size=2))
    ground, skin = (tuple(int(c) for c in draw.integers(90, 256, size=3)) for _ in range(2))
    picture = Image.new("RGB", (width, height), ground)
    pen, line = ImageDraw.Draw(picture), max(2, width // 16)

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        return left * width, top * height, right * width, bottom * height

    pen.ellipse(box(0.06, 0.06, 0.94, 0.94), fill=skin, outline="black", width=2)
    for middle, inwards in ((0.34, 1), (0.66, -1)):
        pen.ellipse(box(middle - 0.06, 0.36, middle + 0.06, 0.48), fill="black")
        slant = 0.08 * inwards if emotion == "angry" else 0.0
        pen.line(box(middle - 0.12, 0.28 - slant, middle + 0.12, 0.28 + slant), fill="black", width=line)
    if emotion == "happy":
        pen.arc(box(0.28, 0.4, 0.72, 0.8), 20, 160, fill="black", width=line)
    elif emotion == "sad":
        pen.arc(box(0.28, 0.66, 0.72, 1.06), 200, 340, fill="black", width=line)
    else:
        pen.rectangle(box(0.32, 0.66, 0.68, 0.78), fill="white", outline="black", width=2)
    return np.asarray(picture, dtype=np.uint8)


def draw_dataset(
    folder: Path,
    *,
    classes: Sequence[str] = EMOTIONS,
    per_class: dict[str, int] | None = None,
    leave_out: Sequence[tuple[str, str]] = (),
    characters: Sequence[str] = ("tom", "jerry"),
    images_per_shot: int = 3,
    seed: int = 0,
    name: str = "toy",
) -> Dataset:
    """Writes a dataset version of real PNG files; `leave_out` names (split, class) pairs that stay empty."""
    draw, examples = np.random.default_rng(seed), []
    for split, count in (per_class or SIZES).items():
        for emotion in classes:
            for number in range(count if (split, emotion) not in leave_out else 0):
                content = encode_png(draw_face(emotion, draw))
                ident, shot = f"{name}.{seed}.{split}.{emotion}.{number:04d}", number // max(1, images_per_shot)
                file = folder / "images" / split / emotion / f"{ident}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
                examples.append(
                    Example(
                        id=ident,
                        file=str(file.relative_to(folder)),
                        sha256=hashlib.sha256(content).hexdigest(),
                        label=emotion,
                        soft_label=tuple(float(emotion == other) for other in classes),
                        split=split,
                        character=characters[number % len(characters)] if characters else "",
                        episode="e0",
                        pts=number,
                        time_base=Fraction(1, 25),
                        shot=f"{name}.{seed}.{split}.{emotion}.{shot}" if images_per_shot else "",
                        track="t0",
                        box=Box(left=0, top=0, right=40, bottom=40),
                        cascade="",
                        phash="0" * 16,
                        annotators=1,
                    )
                )
    return rewrite(folder, examples, classes, name)


def rewrite(folder: Path, examples: list[Example], classes: Sequence[str], name: str = "toy") -> Dataset:
    """Writes rows and manifest for images that lie in the folder, and reads them back."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(
        name=name,
        version=1,
        parent="",
        digest=content_digest(name, tuple(classes), {}, examples),
        classes=tuple(classes),
        counts={},
        options={},
        code_version="0.1.0",
        created="2026-01-01T00:00:00+00:00",
    )
    write_rows(folder, manifest, examples)
    return read_dataset(folder)


def relabelled(dataset: Dataset, folder: Path, names: dict[str, str]) -> Dataset:
    """The same pictures with other class names, as another dataset version in `folder`."""
    for example in dataset.examples:
        target = folder / example.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((dataset.folder / example.file).read_bytes())
    classes = sorted({names.get(name, name) for name in dataset.manifest.classes})
    examples = [
        replace(
            e,
            label=names.get(e.label, e.label),
            soft_label=tuple(float(c == names.get(e.label, e.label)) for c in classes),
        )
        for e in dataset.examples
    ]
    return rewrite(folder, examples, classes, "relabelled")
