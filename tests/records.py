"""Records for tests, with everything filled in that a test does not care about."""

from fractions import Fraction

from pipeline.core.places import Box
from pipeline.core.records import Crop, Detection, Episode, Label


def episode(id: str = "e1", **more: object) -> Episode:
    fields: dict[str, object] = {
        "id": id, "name": id, "path": f"/videos/{id}.mp4", "sha256": "0" * 64, "size_bytes": 1, "width": 640,
        "height": 360, "time_base": Fraction(1, 24), "frames": 100, "start_pts": 0, "end_pts": 100,
    }  # fmt: skip
    return Episode(**(fields | more))  # type: ignore[arg-type]


def crop(id: str, **more: object) -> Crop:
    fields: dict[str, object] = {
        "id": id, "episode": "e1", "shot": f"shot of {id}", "track": f"track of {id}", "pts": 0,
        "box": Box(left=0, top=0, right=60, bottom=60), "character": "ann", "cascade": "c" * 64, "score": 1.0,
        "sharpness": 10.0, "sha256": "0" * 64,
    }  # fmt: skip
    return Crop(**(fields | more))  # type: ignore[arg-type]


def label(crop: str, emotion: str, annotator: str = "bo", **more: object) -> Label:
    fields: dict[str, object] = {
        "id": f"l {crop} {annotator} {emotion}", "crop": crop, "emotion": emotion, "character": "", "annotator": annotator,
        "source": "test", "created": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return Label(**(fields | more))  # type: ignore[arg-type]


def detection(pts: int, left: int, top: int = 0, size: int = 50, **more: object) -> Detection:
    fields: dict[str, object] = {
        "id": f"d{pts}.{left}.{top}.{size}.{more.get('character', 'ann')}", "episode": "e1", "shot": "s1", "pts": pts,
        "box": Box(left=left, top=top, right=left + size, bottom=top + size), "character": "ann", "cascade": "c" * 64,
        "score": 1.0,
    }  # fmt: skip
    return Detection(**(fields | more))  # type: ignore[arg-type]
