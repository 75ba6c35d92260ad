"""A picture of what a cascade looks at: its first features drawn over the mean face."""

from collections.abc import Iterator

import numpy as np

from cascades.model import CascadeModel, HaarFeature, LbpFeature
from pipeline.core.images import RGB, Luma

MAGNIFIED = 6
"""pixels of the picture for one of the window"""
COLUMNS = 6
GAP = 6
"""pixels between tiles"""
LIGHT, DARK, PAPER = (255, 214, 64), (36, 92, 200), (255, 255, 255)


def draw_features(model: CascadeModel, mean_HW: Luma | None, count: int = 18) -> RGB:
    """The first `count` features in the order they are asked, each over the mean face (grey without one), in rows.

    Blue is subtracted, yellow is added.
    """
    if mean_HW is None or mean_HW.shape != (model.height, model.width):
        mean_HW = np.full((model.height, model.width), 160, dtype=np.uint8)
    tiles = [_tile(model.features[i], mean_HW) for i in list(_in_order(model))[:count]]
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // COLUMNS)
    picture = np.empty((rows * (height + GAP) + GAP, COLUMNS * (width + GAP) + GAP, 3), dtype=np.uint8)
    picture[:] = PAPER
    for i, tile in enumerate(tiles):
        top, left = GAP + i // COLUMNS * (height + GAP), GAP + i % COLUMNS * (width + GAP)
        picture[top : top + height, left : left + width] = tile
    return picture


def _in_order(model: CascadeModel) -> Iterator[int]:
    return iter(dict.fromkeys(n.feature for s in model.stages for t in s.trees for n in t.nodes))


def _tile(feature: HaarFeature | LbpFeature, mean_HW: Luma) -> RGB:
    large = np.repeat(np.repeat(mean_HW, MAGNIFIED, axis=0), MAGNIFIED, axis=1)
    tile = np.repeat(large[:, :, None], 3, axis=2).astype(np.float64)
    if isinstance(feature, LbpFeature):
        for i in range(9):
            colour = LIGHT if i % 2 else DARK
            _paint(
                tile,
                feature.x + i % 3 * feature.width,
                feature.y + i // 3 * feature.height,
                feature.width,
                feature.height,
                colour,
            )
    elif not feature.tilted:
        for rect in feature.rects:
            _paint(tile, rect.x, rect.y, rect.width, rect.height, LIGHT if rect.weight > 0 else DARK)
    return np.rint(tile).astype(np.uint8)


def _paint(tile: np.ndarray, x: int, y: int, width: int, height: int, colour: tuple[int, int, int]) -> None:
    area = tile[y * MAGNIFIED : (y + height) * MAGNIFIED, x * MAGNIFIED : (x + width) * MAGNIFIED]
    area[:] = area * 0.4 + np.array(colour) * 0.6
