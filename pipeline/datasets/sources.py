"""Whether examples are what their episodes show: their frames decoded again, cut again, compared."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.core.errors import DatasetError, InputError, VideoError
from pipeline.core.files import sha256_of
from pipeline.core.geometry import clip
from pipeline.core.images import RGB, cut, decode_rgb, encode_png
from pipeline.core.manifest import Dataset, Example
from pipeline.core.records import Episode
from pipeline.datasets.formats.pictures import read_picture
from pipeline.frames import decode


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCheck:
    """What came of looking again."""

    checked: int
    """examples whose frame was decoded again"""
    faults: list[str]
    """what differs, or could not be looked at"""


def sampled(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """That many of the examples which come from an episode, the same ones for the same seed."""
    from_episodes = [example for example in examples if example.episode]
    from_episodes.sort(key=lambda e: hashlib.sha256(f"{seed} {e.id}".encode()).digest())
    return from_episodes[:count]


def check_sources(
    dataset: Dataset, examples: Sequence[Example], episodes: dict[str, Episode], tick: Callable[[float], None]
) -> SourceCheck:
    """Decodes the frames of these examples again and compares the cut with the picture; each episode is decoded once."""
    by_episode: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_episode[example.episode].append(example)
    checked, faults = 0, []
    for id, wanted in sorted(by_episode.items()):
        episode = episodes.get(id)
        try:
            found = _frames_of(episode, wanted) if episode else None
        except VideoError as error:
            faults.append(f"{len(wanted)} examples of episode {id}: {error}")
            continue
        if episode is None or found is None:
            faults.append(f"{len(wanted)} examples of episode {id}: it is not in this workspace; mine it again")
            continue
        for example in wanted:
            fault = _difference(dataset, example, found.get(example.pts))
            checked += 1
            tick(1)
            faults += [f"{example.id}: {fault}"] if fault else []
    return SourceCheck(checked=checked, faults=faults)


def _frames_of(episode: Episode, wanted: list[Example]) -> dict[int, RGB]:
    """pts -> what the boxes at that time need: the whole frame. Raises VideoError."""
    path = Path(episode.path)
    if path.is_file() and sha256_of(path) != episode.sha256:
        raise VideoError(f"{path} is another file than the one that was mined; put that one back")
    times = {example.pts for example in wanted}
    last, found = max(times), {}
    for frame in decode(path):
        if frame.pts in times:
            found[frame.pts] = frame.image
        if frame.pts >= last:
            break
    return found


def _difference(dataset: Dataset, example: Example, frame_HW3: RGB | None) -> str:
    """How the picture differs from its source; empty when it does not."""
    if frame_HW3 is None:
        return f"its episode has no frame at pts {example.pts}"
    box = clip(example.box, frame_HW3.shape[1], frame_HW3.shape[0])
    if box != example.box:
        return f"its box {example.box} lies outside the frame of {frame_HW3.shape[1]}x{frame_HW3.shape[0]}"
    again = cut(frame_HW3, box.left, box.top, box.right, box.bottom)
    if hashlib.sha256(encode_png(again)).hexdigest() == example.sha256:
        return ""
    try:
        kept = decode_rgb(read_picture(dataset, example), example.file)
    except (DatasetError, InputError) as error:
        return str(error)
    if kept.shape != again.shape:
        return f"the picture is {kept.shape[1]}x{kept.shape[0]}, its box {again.shape[1]}x{again.shape[0]} pixels"
    if np.array_equal(kept, again):  # another zlib packs the same pixels otherwise
        return ""
    return f"the picture differs from its source by {float(np.abs(kept.astype(int) - again).mean()):.2f} grey levels"
