"""A tiny problem drawn on the spot: round faces with eyes and a mouth, before clutter that has none."""

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cascades.model import CascadeModel, HaarFeature, Node, Rect, Stage, Tree
from pipeline.core.files import write_bytes
from pipeline.core.images import encode_png

Grey = NDArray[np.uint8]


def clutter(random: np.random.Generator, width: int = 160, height: int = 120) -> Grey:
    """Boxes, discs and lines in random greys."""
    image = np.full((height, width), int(random.integers(60, 200)), dtype=np.uint8)
    for _ in range(30):
        x, y = int(random.integers(width)), int(random.integers(height))
        size, shade = int(random.integers(3, 30)), int(random.integers(256))
        match int(random.integers(3)):
            case 0:
                cv2.rectangle(image, (x, y), (x + size, y + int(random.integers(3, 30))), shade, -1)
            case 1:
                cv2.circle(image, (x, y), size // 2, shade, -1)
            case _:
                cv2.line(image, (x, y), (x + size, y + int(random.integers(-20, 20))), shade, 2)
    noise = random.normal(0, 6, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), dtype=np.uint8)


def draw_face(
    image: Grey, left: int, top: int, side: int, random: np.random.Generator, upside_down: bool = False
) -> None:
    """A light disc with two dark eyes above a dark mouth."""
    skin, dark = int(random.integers(170, 240)), int(random.integers(0, 60))

    def at(x: float, y: float) -> tuple[int, int]:
        return round(left + x * side), round(top + (1 - y if upside_down else y) * side)

    cv2.circle(image, at(0.5, 0.5), round(side * 0.48), skin, -1)
    for x in (0.32, 0.68):
        cv2.circle(image, at(x + random.uniform(-0.02, 0.02), 0.38), max(round(side * 0.09), 1), dark, -1)
    cv2.line(image, at(0.33, 0.72), at(0.67, 0.72 + random.uniform(-0.03, 0.03)), dark, max(round(side * 0.08), 1))


def face_windows(count: int, seed: int = 0, size: int = 24) -> Grey:
    """(N, size, size) faces that fill their window."""
    random = np.random.default_rng(seed)
    windows = []
    for _ in range(count):
        large = clutter(random, size * 4, size * 4)
        jitter = random.integers(-3, 4, size=2)
        draw_face(large, int(jitter[0]), int(jitter[1]), size * 4, random)
        windows.append(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA))
    return np.stack(windows).astype(np.uint8)


def as_rgb(grey: Grey) -> Grey:
    return np.repeat(grey[:, :, None], 3, axis=2)


def write_backgrounds(folder: Path, count: int, seed: int = 1) -> Path:
    """`count` pictures without faces."""
    random = np.random.default_rng(seed)
    for i in range(count):
        write_bytes(folder / f"{i:03}.png", encode_png(clutter(random)))
    return folder


def write_scenes(folder: Path, count: int, seed: int = 2, second: str = "") -> Path:
    """`count` pictures with a face each, and their COCO file; with `second`, another upside-down one of that name."""
    random = np.random.default_rng(seed)
    categories = [{"id": 1, "name": "ann"}] + ([{"id": 2, "name": second}] if second else [])
    coco: dict[str, list[dict[str, object]]] = {"images": [], "annotations": [], "categories": list(categories)}
    for i in range(count):
        image = clutter(random, 200, 140)
        places = [(int(random.integers(5, 50)), 1)] + ([(int(random.integers(110, 130)), 2)] if second else [])
        coco["images"].append({"id": i, "file_name": f"{i:03}.png", "width": 200, "height": 140})
        for left, category in places:
            side, top = int(random.integers(40, 60)), int(random.integers(5, 70))
            draw_face(image, left, top, side, random, upside_down=category == 2)
            row = {
                "id": len(coco["annotations"]),
                "image_id": i,
                "category_id": category,
                "bbox": [left, top, side, side],
            }
            coco["annotations"].append(row | {"iscrowd": 0})
        write_bytes(folder / f"{i:03}.png", encode_png(as_rgb(image)))
    (folder / "truth.json").write_text(json.dumps(coco))
    return folder / "truth.json"


def random_model(random: np.random.Generator, width: int = 24, height: int = 24, stages: int = 2) -> CascadeModel:
    """A cascade of random features that passes about half of all windows at each stage."""
    features = []
    for _ in range(4 * stages):
        w, h = int(random.integers(1, width // 2)), int(random.integers(1, height))
        x, y = int(random.integers(0, width - 2 * w + 1)), int(random.integers(0, height - h + 1))
        features.append(HaarFeature((Rect(x, y, 2 * w, h, -1.0), Rect(x + w, y, w, h, 2.0))))
    built = []
    for stage in range(stages):
        trees = []
        for number in range(4):
            leaves = random.normal(0, 1, 2).astype(np.float32)
            cut = float(np.float32(random.normal(0, 0.02)))
            trees.append(Tree((Node(0, -1, stage * 4 + number, cut),), (float(leaves[0]), float(leaves[1]))))
        middle = sum(sum(tree.leaves) / 2 for tree in trees)
        built.append(Stage(float(np.float32(middle - 0.3)), tuple(trees)))
    return CascadeModel(kind="HAAR", width=width, height=height, stages=tuple(built), features=tuple(features))
