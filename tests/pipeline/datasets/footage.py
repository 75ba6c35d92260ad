"""Labelled crops cut from real videos, as mining would have left them."""

import hashlib
from dataclasses import replace
from pathlib import Path

from pipeline.core.images import cut, encode_png
from pipeline.core.places import Box
from pipeline.core.records import Crop, Shot
from pipeline.core.workspace import Workspace
from pipeline.export import ExportOptions
from pipeline.flow.curation import export
from pipeline.frames import Frame, decode
from pipeline.ingest import identify
from pipeline.shots import CutFinder, HoldFinder, ShotOptions, shrink
from pipeline.splits import SplitOptions
from tests.records import label

BOXES = ((0.1, 0.15, 0.45, 0.75), (0.5, 0.2, 0.9, 0.85), (0.3, 0.1, 0.7, 0.6))
"""left, top, right, bottom as shares of the frame"""


def put_footage(workspace: Workspace, video: Path, every: int) -> None:
    """An episode with its shots, a crop at every so many frames, and a label on each crop."""
    episode, options = identify(video), ShotOptions()
    workspace.catalogue.put([episode])
    cuts, holds, found = CutFinder(options), HoldFinder(options), [0]
    times, crops = [], []
    for frame in decode(video):
        small = shrink(frame.image, options.small_width)
        found += cuts.push(small, holds.push(small))
        times.append(frame.pts)
        if frame.index % every == every // 2:
            crops.append(_crop(workspace, episode.id, frame, BOXES[(frame.index // every) % len(BOXES)]))
    starts = [times[index] for index in [*found, *cuts.finish()]]
    spans = list(zip(starts, [*starts[1:], times[-1] + 1], strict=True))
    workspace.catalogue.put(
        Shot(id=f"{episode.id}.s{start}", episode=episode.id, start_pts=start, end_pts=end, frames=1)
        for start, end in spans
    )
    for crop in crops:
        shot = next(start for start, end in spans if start <= crop.pts < end)
        workspace.catalogue.put([replace(crop, shot=f"{episode.id}.s{shot}")])
    workspace.catalogue.put(
        label(crop.id, "happy" if int(hashlib.sha256(crop.id.encode()).hexdigest(), 16) % 2 else "sad")
        for crop in crops
    )


def _crop(workspace: Workspace, episode: str, frame: Frame, share: tuple[float, float, float, float]) -> Crop:
    height, width = frame.image.shape[:2]
    left, top, right, bottom = (round(s * side) for s, side in zip(share, (width, height) * 2, strict=True))
    png = encode_png(cut(frame.image, left, top, right, bottom))
    return Crop(
        id=f"{episode}.c{frame.pts}.{left}.{top}.{right}.{bottom}", episode=episode, shot="",
        track=f"{episode}.t{frame.pts}", pts=frame.pts, box=Box(left=left, top=top, right=right, bottom=bottom),
        character="ann", cascade="", score=1.0, sharpness=float(frame.index),
        sha256=workspace.objects.put(png, ".png"),
    )  # fmt: skip


def export_all(workspace: Workspace, name: str = "faces") -> None:
    """A version of every crop, look-alikes too."""
    export(workspace, name, ExportOptions(duplicates=True, split=SplitOptions(shares=(0.6, 0.2, 0.2))))
