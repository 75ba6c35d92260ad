"""Pictures of what a cascade found, missed and took for a face: kept in the workspace, listed in the cascade's card."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cascades.scoring.matching import Search, match
from cascades.truth.labelled import Picture
from pipeline.core.errors import InputError
from pipeline.core.geometry import clip, grow
from pipeline.core.images import RGB, cut, encode_png, read_rgb
from pipeline.core.places import Box, Timestamp
from pipeline.core.workspace import Workspace

EACH = 12
"""examples of each kind"""
AROUND = 0.6
"""of the box's size, shown on each side of it"""
LONGEST = 160
"""pixels of an example's longer side"""
Kind = Literal["find", "miss", "false_positive"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """An example before its picture is cut."""

    kind: Kind
    picture: Picture
    box: Box
    score: float | None
    """None for a miss"""


def choose_examples(found: Search, iou: float, each: int = EACH) -> list[Chosen]:
    """True finds over the whole range of scores, the largest missed faces, and the false positives of highest score.

    Of one kind no two come from one picture while others are left.
    """
    finds, misses, false = list[tuple[float, Chosen]](), list[tuple[float, Chosen]](), list[tuple[float, Chosen]]()
    for one in found.pictures:
        matched = match(one, iou)
        for box, score, face, aside in zip(
            one.boxes.tolist(), one.scores.tolist(), matched.faces.tolist(), matched.aside.tolist(), strict=True
        ):
            if face >= 0:
                finds.append((score, Chosen("find", one.picture, _box(box), score)))
            elif not aside:
                false.append((score, Chosen("false_positive", one.picture, _box(box), score)))
        for face in sorted(set(range(len(one.faces))) - set(matched.faces.tolist())):
            left, top, right, bottom = one.faces[face].tolist()
            chosen = Chosen("miss", one.picture, _box([left, top, right, bottom]), None)
            misses.append(((right - left) * (bottom - top), chosen))
    finds = _ordered(finds)
    spread = [finds[i] for i in np.linspace(0, len(finds) - 1, min(each, len(finds))).round().astype(int)]
    return [chosen for part in (spread, _ordered(misses), _ordered(false)) for _, chosen in part[:each]]


def keep_examples(workspace: Workspace, chosen: Sequence[Chosen]) -> list[dict[str, Any]]:
    """Cuts the examples' pictures (one more pass over their files), stores them, and returns rows for the card.

    A row has kind, picture, timecode (empty for an image), score, sha256 of the PNG, and `inner`: left, top, right and
    bottom of the box as shares of it.
    """
    rows: dict[int, dict[str, Any]] = {}
    by_file: dict[Path, list[int]] = defaultdict(list)
    for i, example in enumerate(chosen):
        by_file[example.picture.path].append(i)
    for path, numbers in sorted(by_file.items()):
        try:
            for i, image, timecode in _seen(path, [(i, chosen[i].picture) for i in numbers]):
                row = _row(workspace, chosen[i], image, timecode)
                if row is not None:
                    rows[i] = row
        except InputError:  # evaluated a moment ago, gone now: an example less
            continue
    return [rows[i] for i in sorted(rows)]


def _seen(path: Path, wanted: Sequence[tuple[int, Picture]]) -> Iterator[tuple[int, RGB, str]]:
    """(number, image, timecode) of pictures of one file."""
    from pipeline.frames import frames_at
    from pipeline.moments import frames_at_times

    for number, picture in wanted:
        if picture.frame is None and picture.pts is None:
            yield number, read_rgb(path), ""
    indices = {picture.frame for _, picture in wanted if picture.pts is None and picture.frame is not None}
    for frame in frames_at(path, indices):
        timecode = Timestamp(pts=frame.pts, time_base=frame.time_base).timecode
        for number, picture in wanted:
            if picture.pts is None and picture.frame == frame.index:
                yield number, frame.image, timecode
    times = {picture.pts for _, picture in wanted if picture.pts is not None}
    for shown in frames_at_times(path, times):
        for number, picture in wanted:
            if picture.pts == shown.pts:
                yield number, shown.image, Timestamp(pts=shown.pts, time_base=shown.time_base).timecode


def _row(workspace: Workspace, example: Chosen, image: RGB, timecode: str) -> dict[str, Any] | None:
    height, width = image.shape[:2]
    around = clip(grow(example.box, AROUND), width, height)
    if around is None or min(around.width, around.height) < 4:
        return None
    box = example.box
    inner = [
        (box.left - around.left) / around.width,
        (box.top - around.top) / around.height,
        (box.right - around.left) / around.width,
        (box.bottom - around.top) / around.height,
    ]
    picture = _shrunk(cut(image, around.left, around.top, around.right, around.bottom))
    return {
        "kind": example.kind,
        "picture": example.picture.path.stem,
        "timecode": timecode,
        "score": None if example.score is None else round(example.score, 3),
        "size_px": max(box.width, box.height),
        "inner": [round(share, 4) for share in inner],
        "sha256": workspace.objects.put(encode_png(picture), ".png"),
    }


def _shrunk(image: RGB) -> RGB:
    import cv2

    share = LONGEST / max(image.shape[:2])
    if share >= 1:
        return image
    size = max(round(image.shape[1] * share), 1), max(round(image.shape[0] * share), 1)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _ordered(examples: list[tuple[float, Chosen]]) -> list[tuple[float, Chosen]]:
    """Highest first; every picture's first before any picture's second."""
    count: dict[str, int] = defaultdict(int)
    ranked = []
    for weight, example in sorted(examples, key=lambda e: (-e[0], e[1].picture.name, e[1].box.left, e[1].box.top)):
        ranked.append((count[example.picture.name], weight, example))
        count[example.picture.name] += 1
    return [(weight, example) for _, weight, example in sorted(ranked, key=lambda r: (r[0], -r[1]))]


def _box(corners: Sequence[float]) -> Box:
    left, top, right, bottom = (round(value) for value in corners)
    return Box(left=left, top=top, right=max(right, left + 1), bottom=max(bottom, top + 1))
