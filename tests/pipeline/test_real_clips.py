"""Real cartoons, where they lie beside the project."""

import json
from pathlib import Path

import pytest

from pipeline.frames import decode, probe, watch
from pipeline.shots import CutFinder, HoldFinder, ShotOptions


@pytest.mark.parametrize("name", ["s01e01.mp4", "s01e04.mp4"])
def test_every_labelled_cut_is_found_to_the_frame(shared: Path, name: str) -> None:
    labelled = json.loads((shared / "labels" / "penny_chip_cuts.json").read_text())[name]
    options = ShotOptions()
    cuts, holds, found, count = CutFinder(options), HoldFinder(options), [], 0
    for frame in watch(shared / "clips" / "penny_chip" / name, 1.0, options.small_width):
        found += cuts.push(frame.small, holds.push(frame.small))
        count += 1
    found += cuts.finish()
    assert count == labelled["frames"]
    assert [cut for cut in found if cut.kind == "cut"] == labelled["cuts"], "the labels leave out dissolves"


def test_a_container_that_tells_too_many_frames_is_decoded_to_what_is_there(shared: Path) -> None:
    path = shared / "clips" / "popeye" / "popeye_T00_720.mkv"
    frames = [frame.pts for frame in decode(path)]
    told = probe(path).frames_hint
    assert told is not None
    assert len(frames) == 1800 < told
    assert frames == sorted(set(frames))
