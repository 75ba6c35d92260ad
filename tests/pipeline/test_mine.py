"""The one pass: cuts, holds, samples, tracks and crops of a small real video."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cascades.looked_for import Region
from pipeline.core.errors import UsageError
from pipeline.core.images import RGB
from pipeline.core.places import Box
from pipeline.frames import watch
from pipeline.ingest import find_videos, identify
from pipeline.mine import MinedEpisode, MineOptions, mine
from tests.videos import encode, scenes


class SquareFinder:
    """Finds the bright green square that these tests draw."""

    def find(self, image_HW3: RGB, regions: Sequence[Region] | None = None) -> list[tuple[Box, str, str, float]]:
        pixels = image_HW3.astype(int)
        rows, columns = np.nonzero((pixels[..., 1] > 150) & (pixels[..., 0] < 90) & (pixels[..., 2] < 90))
        if len(rows) < 100:
            return []
        box = Box(
            left=int(columns.min()), top=int(rows.min()), right=int(columns.max()) + 1, bottom=int(rows.max()) + 1
        )
        return [(box, "green", "f" * 64, 1.0)]


def with_square(frames: np.ndarray, every: int = 2) -> np.ndarray:
    """Three shots on twos, the square wandering; its pattern changes every 8 frames. None in the second shot."""
    drawn = frames // 4  # dark, so that only the square is green
    drawn = drawn.copy()
    for t in range(len(drawn)):
        if 24 <= t < 48:
            continue
        x = 20 + 3 * ((t % 24) // every)
        drawn[t, 20:60, x : x + 40] = (20, 220, 20)
        drawn[t, 25 + (t // 8 % 3) * 8 : 32 + (t // 8 % 3) * 8, x + 8 : x + 32] = (20, 180, 20)
    return drawn


@pytest.fixture
def mined(tmp_path: Path) -> tuple[MinedEpisode, dict[str, bytes]]:
    path = encode(tmp_path / "a.mp4", with_square(scenes(3, 24)))
    stored: dict[str, bytes] = {}

    def store(png: bytes) -> str:
        stored[str(len(stored))] = png
        return str(len(stored) - 1)

    episode = identify(path)
    return mine(episode, watch(path, 6, 160), SquareFinder(), MineOptions(fps=6, min_face=16), store), stored


def test_cuts_are_where_the_scene_changes(mined: tuple[MinedEpisode, dict[str, bytes]]) -> None:
    result, _ = mined
    assert [s.shot.frames for s in result.shots] == [24, 24, 24]
    assert [float(s.shot.start_pts * result.episode.time_base) for s in result.shots] == [0, 1, 2]
    assert result.shots[-1].shot.end_pts == result.episode.end_pts
    assert result.episode.frames == 72


def test_drawings_on_twos_are_holds_of_two(mined: tuple[MinedEpisode, dict[str, bytes]]) -> None:
    result, _ = mined
    holds = result.shots[0].holds
    assert sum(h.frames for h in holds) == 24
    assert np.median([h.frames for h in holds]) == 2
    assert [h.end_pts for h in holds[:-1]] == [h.start_pts for h in holds[1:]]


def test_frames_are_sampled_evenly_whatever_the_rate(mined: tuple[MinedEpisode, dict[str, bytes]]) -> None:
    result, _ = mined
    assert result.counts["sampled"] == 18
    pts = [d.pts for s in result.shots for d in s.detections]
    seconds = [Fraction(p) * result.episode.time_base for p in pts]
    assert all((s * 6).denominator == 1 for s in seconds)


def test_a_face_is_one_track_in_each_shot_and_none_where_it_is_not(
    mined: tuple[MinedEpisode, dict[str, bytes]],
) -> None:
    result, _ = mined
    assert [len(s.tracks) for s in result.shots] == [1, 0, 1]
    for part in result.shots:
        assert all(d.shot == part.shot.id and d.track == part.tracks[0].id for d in part.detections)
        assert all(c.track == part.tracks[0].id and c.character == "green" for c in part.crops)


def test_crops_are_different_drawings_stored_as_png(mined: tuple[MinedEpisode, dict[str, bytes]]) -> None:
    result, stored = mined
    crops = [c for s in result.shots for c in s.crops]
    assert crops
    assert len({c.id for c in crops}) == len(crops) == len(stored)
    assert all(png.startswith(b"\x89PNG") for png in stored.values())


def test_mining_again_gives_the_same_records(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", with_square(scenes(2, 24)))
    episode = identify(path)
    once, again = (
        mine(episode, watch(path, 4, 160), SquareFinder(), MineOptions(), lambda png: str(len(png))) for _ in range(2)
    )
    assert once.shots == again.shots
    assert once.episode == again.episode


def test_a_damaged_file_is_mined_as_far_as_it_decodes(tmp_path: Path) -> None:
    path = encode(
        tmp_path / "whole.mp4", with_square(scenes(4, 24)),
        after=("-c:v", "libx264", "-g", "12", "-crf", "10", "-movflags", "+faststart"),
    )  # fmt: skip
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    result = mine(identify(path), watch(path, 4, 160), SquareFinder(), MineOptions(), lambda png: "x")
    assert "damaged; " in result.damage
    assert 24 <= result.episode.frames < 96
    assert result.shots


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="--fps must be above 0"):
        MineOptions(fps=0)
    with pytest.raises(UsageError, match="--min-face must be 8 to 10000 pixels, got 3"):
        MineOptions(min_face=3)


def test_folders_are_searched_and_what_is_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "season" / "1").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    for name in ("season/1/b.MKV", "season/a.mp4", "season/notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "season" / "loop").symlink_to(tmp_path)
    found, failures = find_videos([tmp_path / "season", tmp_path / "empty", tmp_path / "gone.mp4"])
    assert [p.name for p in found] == ["a.mp4", "b.MKV", "gone.mp4"]
    assert [f.reason for f in failures] == [f"{tmp_path / 'empty'}: no video in this folder or below it"]


def test_the_same_content_under_another_name_is_the_same_episode(tmp_path: Path) -> None:
    a = encode(tmp_path / "a.mp4", scenes(1, 3))
    b = tmp_path / "b.mp4"
    b.write_bytes(a.read_bytes())
    assert identify(a).id == identify(b).id
