"""A picture of what a cascade looks at: the features of each stage drawn over the mean face, a row for every stage."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cascades.model import CascadeModel, HaarFeature, LbpFeature, Rect, Stage
from pipeline.core.images import RGB, Luma

TILE = 112
"""pixels of a tile's longer side, about: the window is magnified by a whole number"""
GAP, LABEL = 6, 150
"""pixels between tiles, and of the column that says which stage it is"""
LIGHT, DARK, PAPER, INK = (255, 214, 64), (36, 92, 200), (255, 255, 255), (60, 60, 60)
MOST_STAGES = 40
"""rows drawn; a line says how many more there are"""
STRONG = 0.55
"""how much of the face a rectangle covers"""


def draw_features(
    model: CascadeModel, mean_HW: Luma | None, count: int = 6, stages: Sequence[Mapping[str, Any]] = ()
) -> RGB:
    """The first `count` features of each stage in the order they are asked, over the mean face (grey without one).

    Blue is subtracted, yellow is added; of an LBP feature the middle block is yellow, the eight it is compared with are
    outlined in blue. `stages` are the card's rows, in order: hit and false alarm rates are said where they hold them.
    """
    if mean_HW is None or mean_HW.shape != (model.height, model.width):
        mean_HW = np.full((model.height, model.width), 160, dtype=np.uint8)
    zoom = max(1, TILE // max(model.width, model.height))
    high, wide = model.height * zoom, model.width * zoom
    rows = model.stages[:MOST_STAGES]
    left_out = len(model.stages) - len(rows)
    row_high = max(high, 64) + GAP
    picture = Image.new(
        "RGB", (LABEL + count * (wide + GAP) + GAP, len(rows) * row_high + GAP + (24 if left_out else 0)), PAPER
    )
    pen = ImageDraw.Draw(picture)
    for number, stage in enumerate(rows):
        top = GAP + number * row_high
        _label(pen, (GAP, top), number, stage, stages[number] if number < len(stages) else {})
        for place, index in enumerate(list(_in_order(stage))[:count]):
            tile = _tile(model.features[index], mean_HW, zoom)
            picture.paste(Image.fromarray(tile), (LABEL + place * (wide + GAP), top))
    if left_out:
        pen.text((GAP, picture.height - 22), f"and {left_out} more stages", fill=INK, font=_font(14))
    return np.asarray(picture)


def _in_order(stage: Stage) -> Iterator[int]:
    return iter(dict.fromkeys(node.feature for tree in stage.trees for node in tree.nodes))


def _label(pen: ImageDraw.ImageDraw, at: tuple[int, int], number: int, stage: Stage, row: Mapping[str, Any]) -> None:
    deepest = max(len(tree.nodes) for tree in stage.trees)
    what = ("stump" if deepest == 1 else "tree") + ("" if len(stage.trees) == 1 else "s")
    lines = [f"{len(stage.trees)} {what}"]
    for key, title in (("hit_rate", "hits"), ("false_alarm", "false alarms")):
        if isinstance(row.get(key), int | float):
            lines.append(f"{title} {row[key]:.3f}")
    pen.text(at, f"Stage {number + 1}", fill=INK, font=_font(16))
    for line, text in enumerate(lines):
        pen.text((at[0], at[1] + 20 + 15 * line), text, fill=INK, font=_font(13))


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _tile(feature: HaarFeature | LbpFeature, mean_HW: Luma, zoom: int) -> RGB:
    """The face magnified, with the feature over it."""
    large = np.repeat(np.repeat(mean_HW, zoom, axis=0), zoom, axis=1)
    tile = np.repeat(large[:, :, None], 3, axis=2).astype(np.float64)
    if isinstance(feature, LbpFeature):
        _paint_blocks(tile, feature, zoom)
        return np.rint(tile).astype(np.uint8)
    for mask, weight in _shares(feature, large.shape, zoom):
        _paint(tile, mask, LIGHT if weight > 0 else DARK)
    return np.rint(tile).astype(np.uint8)


def _shares(feature: HaarFeature, shape: tuple[int, ...], zoom: int) -> list[tuple[NDArray[np.bool_], float]]:
    """Where the weights of all rectangles together are above zero, and where below: a part painted once."""
    total = np.zeros(shape)
    for rect in feature.rects:
        total += rect.weight * (_tilted(rect, shape, zoom) if feature.tilted else _upright(rect, shape, zoom))
    return [(total > 0, 1.0), (total < 0, -1.0)]


def _upright(r: Rect, shape: tuple[int, ...], zoom: int) -> NDArray[np.bool_]:
    mask = np.zeros(shape, dtype=bool)
    mask[r.y * zoom : (r.y + r.height) * zoom, r.x * zoom : (r.x + r.width) * zoom] = True
    return mask


def _tilted(r: Rect, shape: tuple[int, ...], zoom: int) -> NDArray[np.bool_]:
    """A rectangle on a corner: from (x, y) `width` steps right and down, `height` steps left and down."""
    ys, xs = (np.mgrid[: shape[0], : shape[1]] + 0.5) / zoom
    along, across = (xs - r.x) + (ys - r.y), (ys - r.y) - (xs - r.x)
    return np.asarray((along >= 0) & (along < 2 * r.width) & (across >= 0) & (across < 2 * r.height))


def _paint(tile: NDArray[np.float64], mask: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    tile[mask] = tile[mask] * (1 - STRONG) + np.array(colour) * STRONG


def _paint_blocks(tile: NDArray[np.float64], feature: LbpFeature, zoom: int) -> None:
    """The middle block filled, the eight around it outlined."""
    for i in range(9):
        x, y = feature.x + i % 3 * feature.width, feature.y + i // 3 * feature.height
        block = Rect(x, y, feature.width, feature.height, 1.0)
        mask = _upright(block, tile.shape[:2], zoom)
        if i == 4:
            _paint(tile, mask, LIGHT)
            continue
        inside = np.zeros_like(mask)
        inside[y * zoom + 1 : (y + feature.height) * zoom - 1, x * zoom + 1 : (x + feature.width) * zoom - 1] = True
        tile[mask & ~inside] = DARK
