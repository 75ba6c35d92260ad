"""The truth as COCO JSON, for those who fit and score cascades."""

from collections.abc import Sequence
from typing import Any

from pipeline.cartoon.truth import EpisodeTruth, FaceTruth, Series
from pipeline.core.errors import TruthError

VISIBLE_AT_LEAST = 0.6
"""faces of which less is seen are `iscrowd`: nobody is blamed for missing or finding them"""
WIDTH_AT_LEAST = 32
"""narrower faces, in pixels, are `iscrowd` too"""


def coco_of(
    series: Series,
    episodes: Sequence[str] | None = None,
    every_frames: int = 12,
    *,
    visible_at_least: float = VISIBLE_AT_LEAST,
    width_at_least: int = WIDTH_AT_LEAST,
) -> dict[str, Any]:
    """COCO JSON of the faces in every `every_frames`-th frame of the episodes named (all by default), empty frames too.

    `images` name their `video` (file name) and 0-based `frame`; `annotations` have `bbox` x, y, width, height (it may
    reach outside the frame), a `category_id` per character, `attributes` with emotion, track, visible, angle and
    drawing, and `iscrowd` 1 for faces that are mostly hidden, outside or too small. Ids are stable and start at 1.

    Raises:
        TruthError: no episode of a name given, or `every_frames` under 1.
    """
    if every_frames < 1:
        raise TruthError(f"every_frames must be 1 or more, got {every_frames}")
    names = [episode.name for episode in series.episodes] if episodes is None else list(episodes)
    categories = {name: number for number, name in enumerate(series.characters, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for episode in map(series.episode, names):
        for frame in range(0, episode.frames, every_frames):
            images.append(_image(episode, frame, len(images) + 1))
            for face in episode.faces_at(frame):
                crowd = face.visible < visible_at_least or face.box.width < width_at_least
                row = _annotation(face, len(annotations) + 1, len(images), categories[face.character], crowd)
                annotations.append(row)
    return {
        "info": {"description": f"drawn series, seed {series.seed}"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name, "supercategory": "face"} for name, number in categories.items()],
    }


def _image(episode: EpisodeTruth, frame: int, number: int) -> dict[str, Any]:
    return {
        "id": number,
        "file_name": f"{episode.name}-{frame:06d}.png",
        "width": episode.width,
        "height": episode.height,
        "video": episode.file,
        "frame": frame,
    }


def _annotation(face: FaceTruth, number: int, image: int, category: int, crowd: bool) -> dict[str, Any]:
    box = face.box
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [box.left, box.top, box.width, box.height],
        "area": box.area,
        "iscrowd": int(crowd),
        "attributes": {
            "emotion": face.emotion,
            "track": face.track,
            "visible": face.visible,
            "angle": face.angle,
            "drawing": face.drawing,
        },
    }
