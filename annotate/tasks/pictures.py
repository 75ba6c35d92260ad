"""Pictures that only annotators need: frames with the face marked, and contact sheets. Made once, kept in the workspace."""

import io
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from pipeline.core.errors import VideoError
from pipeline.core.files import write_bytes
from pipeline.core.images import RGB, decode_rgb
from pipeline.core.places import Box
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Crop, Episode
from pipeline.core.workspace import Workspace
from pipeline.moments import frames_at_times

FOLDER = "annotate/pictures"
"""relative to the workspace"""
CELL_PX = 160
MARK = (255, 40, 40)
JPEG_QUALITY = 85


def object_path(sha256: str) -> str:
    """Path of a crop's own picture, relative to the workspace."""
    return f"objects/{sha256[:2]}/{sha256}.png"


def context_path(crop: Crop) -> str:
    """Path of the frame that a crop is from, relative to the workspace, made or not."""
    return f"{FOLDER}/{crop.episode}/{crop.id}.jpg"


def frame_path(episode: str, pts: int) -> str:
    """Path of a whole frame, relative to the workspace, made or not."""
    return f"{FOLDER}/{episode}/frame{pts}.jpg"


def draw_contexts(
    workspace: Workspace, crops: Iterable[Crop], episodes: dict[str, Episode], width: int, progress: Progress | None
) -> None:
    """Draws the frames of crops, scaled to `width` pixels, the crop outlined; those that are there stay.

    An episode whose file is gone or damaged has none from there on: its crops are shown without.
    """
    wanted: dict[str, dict[int, list[Crop]]] = defaultdict(lambda: defaultdict(list))
    for crop in crops:
        if not (workspace.root / context_path(crop)).is_file():
            wanted[crop.episode][crop.pts].append(crop)
    with (progress or Silent()).step("pictures", sum(map(len, wanted.values())), "frames") as step:
        for id, at_pts in sorted(wanted.items()):
            for pts, image in _frames(episodes.get(id), set(at_pts)):
                for crop in at_pts[pts]:
                    write_bytes(workspace.root / context_path(crop), _marked(image, crop.box, width))
                step.advance()


def draw_frames(
    workspace: Workspace, wanted: dict[str, set[int]], episodes: dict[str, Episode], progress: Progress | None
) -> None:
    """Draws whole frames, episode id -> pts; those that are there stay."""
    with (progress or Silent()).step("pictures", sum(map(len, wanted.values())), "frames") as step:
        for id, times in sorted(wanted.items()):
            missing = {pts for pts in times if not (workspace.root / frame_path(id, pts)).is_file()}
            for pts, image in _frames(episodes.get(id), missing):
                write_bytes(workspace.root / frame_path(id, pts), _jpeg(Image.fromarray(image)))
                step.advance()


def draw_sheet(workspace: Workspace, name: str, crops: Sequence[Crop]) -> str:
    """Draws the crops as a contact sheet in their order; returns its path, relative to the workspace."""
    relative = f"{FOLDER}/sheets/{name}.jpg"
    if not (workspace.root / relative).is_file():
        columns = math.ceil(math.sqrt(len(crops)))
        sheet = Image.new("RGB", (columns * CELL_PX, math.ceil(len(crops) / columns) * CELL_PX), (32, 32, 32))
        for i, crop in enumerate(crops):
            picture = Image.fromarray(decode_rgb(workspace.objects.read(crop.sha256, ".png"), crop.id))
            scale = (CELL_PX - 6) / max(picture.size)
            fitted = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
            left, top = i % columns * CELL_PX, i // columns * CELL_PX
            sheet.paste(fitted, (left + (CELL_PX - fitted.width) // 2, top + (CELL_PX - fitted.height) // 2))
        write_bytes(workspace.root / relative, _jpeg(sheet))
    return relative


def _frames(episode: Episode | None, times: set[int]) -> Iterable[tuple[int, RGB]]:
    if episode is None or not times:
        return
    try:
        for picture in frames_at_times(Path(episode.path), times):
            yield picture.pts, picture.image
    except VideoError:
        return


def _marked(image_HW3: RGB, box: Box, width: int) -> bytes:
    picture = Image.fromarray(image_HW3)
    scale = width / picture.width
    small = picture.resize((width, max(1, round(picture.height * scale))))
    corners = [round(side * scale) for side in (box.left, box.top, box.right, box.bottom)]
    ImageDraw.Draw(small).rectangle(corners, outline=MARK, width=2)
    return _jpeg(small)


def _jpeg(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()
