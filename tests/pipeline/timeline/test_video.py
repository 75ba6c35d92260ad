"""The annotated video keeps the episode's clock and sound."""

import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.frames import decode, ffmpeg_path
from pipeline.timeline.drawing import Marks, box_at, drawn
from pipeline.timeline.records import Timeline
from pipeline.timeline.video import write_annotated
from tests.pipeline.timeline.made import episode, face, sighting, timeline
from tests.videos import encode, ffmpeg, scenes

HAPPY, SAD = (0.1, 0.8, 0.1), (0.05, 0.05, 0.9)


def times(path: Path) -> list[Fraction]:
    return [frame.pts * frame.time_base for frame in decode(path)]


def about(path: Path) -> Timeline:
    """A face in the middle of the video that turns sad."""
    frames = list(decode(path))
    base = frames[0].time_base
    pts = [frames[n].pts for n in (len(frames) // 4, len(frames) // 2)]
    return timeline(face("tom", pts, [HAPPY, SAD], step=4), of=episode(frames[-1].pts, frames[0].pts, base))


def sound(path: Path) -> bytes:
    """The first sound track's packets as they are."""
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-map", "0:a:0", "-c", "copy", "-f", "data", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return encode(tmp_path / "plain.mp4", scenes(2, 12), 24)


def test_every_frame_is_there_at_its_own_time(plain: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "annotated.mp4"
    assert write_annotated(about(plain), plain, target) == 24
    assert times(target) == times(plain)
    assert [path.name for path in target.parent.iterdir()] == ["annotated.mp4"]


def test_a_variable_frame_rate_stays_variable(plain: Path, tmp_path: Path) -> None:
    uneven = tmp_path / "uneven.mkv"
    ffmpeg("-i", str(plain), "-vf", r"select=not(mod(n\,5))+gt(n\,14)", "-fps_mode", "vfr", str(uneven))
    write_annotated(about(uneven), uneven, tmp_path / "a.mp4")
    found, wanted = times(tmp_path / "a.mp4"), times(uneven)
    assert len({b - a for a, b in zip(wanted, wanted[1:], strict=False)}) > 1
    assert found == wanted


def test_a_late_start_and_the_sound_stay_together(plain: Path, tmp_path: Path) -> None:
    loud = tmp_path / "loud.mp4"
    ffmpeg("-i", str(plain), "-f", "lavfi", "-i", "sine=440:d=1", "-c:v", "copy", "-c:a", "aac", str(loud))
    write_annotated(about(loud), loud, tmp_path / "a.mp4")
    assert sound(tmp_path / "a.mp4") == sound(loud)
    assert times(tmp_path / "a.mp4") == times(loud)


def test_sound_that_mp4_cannot_hold_becomes_aac(plain: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.mkv"
    ffmpeg("-i", str(plain), "-f", "lavfi", "-i", "sine=440:d=1", "-c:v", "copy", "-c:a", "pcm_u8", str(odd))
    write_annotated(about(odd), odd, tmp_path / "a.mp4")
    assert len(sound(tmp_path / "a.mp4")) > 1000


def test_odd_sizes_are_padded_by_a_pixel(tmp_path: Path) -> None:
    path = encode(tmp_path / "odd.mkv", scenes(1, 6, 161, 97), after=("-c:v", "ffv1", "-pix_fmt", "bgr0"))
    write_annotated(about(path), path, tmp_path / "a.mp4")
    assert {frame.image.shape for frame in decode(tmp_path / "a.mp4")} == {(98, 162, 3)}


def test_boxes_names_and_emotions_are_drawn_where_the_face_is() -> None:
    made = timeline(face("tom", [1000, 2000], [HAPPY, SAD]))
    marks = Marks(made)
    assert [mark.text for mark in marks.at(1000)] == ["tom happy 80%"]
    assert [mark.text for mark in marks.at(1900)] == ["tom sad 90%"]
    assert marks.at(0) == marks.at(5000) == []
    blank = np.zeros((480, 640, 3), dtype=np.uint8)
    picture = drawn(blank, marks.at(1000))
    assert blank.max() == 0
    box = marks.at(1000)[0].box
    assert tuple(picture[box.bottom - 1, box.left + 5]) == marks.at(1000)[0].colour
    assert picture[box.bottom + 20 :, :].max() == 0


def test_between_two_sightings_the_box_moves_evenly() -> None:
    made = face("tom", [0, 100], [HAPPY, HAPPY])
    moved = [sighting(0, 10), sighting(100, 50)]
    object.__setattr__(made, "sightings", tuple(moved))
    assert [box_at(made, pts).left for pts in (-5, 0, 25, 50, 100, 200)] == [10, 10, 20, 30, 50, 50]


def test_a_box_outside_the_frame_is_cut_off_not_wrapped() -> None:
    from pipeline.core.places import Box
    from pipeline.timeline.drawing import Mark

    blank = np.zeros((60, 80, 3), dtype=np.uint8)
    for box in (Box(left=-50, top=-50, right=10, bottom=10), Box(left=70, top=50, right=200, bottom=200)):
        assert drawn(blank, [Mark(box=box, text="x" * 200, colour=(255, 0, 0))]).shape == blank.shape
