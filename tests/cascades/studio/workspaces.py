"""A mined episode of drawn faces: real video, records as mining would make them, and nobody's answers yet."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.core.geometry import clip, grow
from pipeline.core.images import encode_png
from pipeline.core.places import Box
from pipeline.core.records import Crop, Detection, Episode, Label, Shot
from pipeline.core.workspace import Workspace
from pipeline.ingest import identify
from tests.cascades.drawing import as_rgb, clutter, draw_face
from tests.videos import encode

WIDTH, HEIGHT, EACH = 200, 140, 4
WHEN = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Studio:
    """What was made."""

    workspace: Workspace
    episode: Episode
    faces: tuple[Box, ...]
    """one on each frame"""
    crops: tuple[Crop, ...]
    """of these, in time order"""

    def say(self, item: str, emotion: str = "", character: str = "", annotator: str = "bo", when: str = WHEN) -> None:
        """Adds a label."""
        label = Label(
            id=f"l {item} {annotator} {emotion} {character} {when}", crop=item, emotion=emotion, character=character,
            annotator=annotator, source="test", created=when,
        )  # fmt: skip
        self.workspace.catalogue.put([label])


def make_studio(folder: Path, frames: int = 24, seed: int = 5) -> Studio:
    """One face a frame, a shot every EACH frames; every face is detected (a little off) and has its crop."""
    random = np.random.default_rng(seed)
    images, faces = [], []
    for _ in range(frames):
        image = clutter(random, WIDTH, HEIGHT)
        left, top, side = int(random.integers(5, 130)), int(random.integers(5, 70)), int(random.integers(44, 60))
        draw_face(image, left, top, side, random)
        images.append(as_rgb(image))
        faces.append(Box(left=left, top=top, right=left + side, bottom=top + side))
    workspace = Workspace(folder / "workspace")
    seen = identify(encode(folder / "s01e01.mp4", np.stack(images)))
    tick = round(1 / (24 * seen.time_base))
    episode = Episode(
        id=seen.id, name=seen.name, path=seen.path, sha256=seen.sha256, size_bytes=seen.size_bytes, width=seen.width,
        height=seen.height, time_base=seen.time_base, frames=frames, start_pts=seen.start_pts,
        end_pts=seen.start_pts + frames * tick,
    )  # fmt: skip
    shots = [
        Shot(id=f"{episode.id}.s{n * tick}", episode=episode.id, start_pts=n * tick, end_pts=(n + EACH) * tick, frames=EACH)
        for n in range(0, frames, EACH)
    ]  # fmt: skip
    found, crops = [], []
    for n, (image, face) in enumerate(zip(images, faces, strict=True)):
        box = Box(left=face.left + 2, top=face.top - 1, right=face.right + 2, bottom=face.bottom - 1)
        found.append(detection_of(episode, shots[n // EACH], n * tick, box, 10.0 + n % 5))
        around = clip(grow(box, 0.1), WIDTH, HEIGHT)
        assert around is not None
        crops.append(
            Crop(
                id=f"{episode.id}.c{n * tick}.{around.left}.{around.top}.{around.right}.{around.bottom}",
                episode=episode.id, shot=shots[n // EACH].id, track="", pts=n * tick, box=around, character="ann",
                cascade="c" * 64, score=10.0, sharpness=5.0,
                sha256=workspace.objects.put(
                    encode_png(image[around.top : around.bottom, around.left : around.right]), ".png"
                ),
            )
        )  # fmt: skip
    workspace.catalogue.put([episode, *shots, *found, *crops])
    return Studio(workspace, episode, tuple(faces), tuple(crops))


def detection_of(
    episode: Episode, shot: Shot, pts: int, box: Box, score: float, character: str = "ann", track: str = ""
) -> Detection:
    """A detection of the cascade `ccc...`, or of `character[0] * 64` for others than ann."""
    cascade = ("c" if character == "ann" else character[0]) * 64
    return Detection(
        id=f"{episode.id}.d{pts}.{cascade[:6]}.{box.left}.{box.top}.{box.right}.{box.bottom}", episode=episode.id,
        shot=shot.id, pts=pts, box=box, character=character, cascade=cascade, score=score, track=track,
    )  # fmt: skip
