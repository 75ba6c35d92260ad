from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.core.places import Box
from pipeline.core.records import Detection, Episode, Hold, Shot
from pipeline.report import strips
from pipeline.report.filmstrip import read_mined
from pipeline.report.strips import Stills, choose_moments, faces_at, within_reach
from pipeline.report.thumbnails import Gallery, Picture
from tests.pipeline.report.stock import Stock


def shot_at(start_pts: int, end_pts: int, frames: int) -> Shot:
    return Shot(id=f"e.s{start_pts}", episode="e", start_pts=start_pts, end_pts=end_pts, frames=frames)


def hold_at(shot: Shot, start_pts: int, end_pts: int, frames: int) -> Hold:
    return Hold(id=f"e.h{start_pts}", episode="e", shot=shot.id, start_pts=start_pts, end_pts=end_pts, frames=frames)


def face_at(shot: Shot, pts: int, track: str = "t", left: int = 0) -> Detection:
    box = Box(left=left, top=0, right=left + 10, bottom=10)
    return Detection(
        id=f"e.d{pts}.{left}", episode="e", shot=shot.id, pts=pts, box=box, character="tom", cascade="c", score=1.0, track=track
    )  # fmt: skip


def test_a_shot_without_faces_is_shown_by_the_drawing_in_its_middle() -> None:
    shots = [shot_at(0, 100, 10), shot_at(100, 300, 20)]
    holds = [hold_at(shots[0], 0, 40, 4), hold_at(shots[0], 40, 60, 2), hold_at(shots[0], 60, 100, 4)]
    assert [m.pts for m in choose_moments(shots, holds, [], 9)] == [40, 100]


def test_the_frame_with_the_most_tracked_faces_stands_for_its_shot() -> None:
    shot = shot_at(0, 240, 24)
    faces = [face_at(shot, 60), face_at(shot, 120), face_at(shot, 180), face_at(shot, 180, left=50)]
    noise = [face_at(shot, 0, track="", left=n) for n in range(9)]
    assert [m.pts for m in choose_moments([shot], [], faces + noise, 9)] == [180]


def test_of_many_shots_some_are_shown_from_the_whole_episode() -> None:
    shots = [shot_at(n * 100, n * 100 + 100, 100) for n in range(50)]
    assert [m.pts for m in choose_moments(shots, [], [], 4)] == [0, 1200, 2500, 3700]


def test_what_can_only_be_decoded_from_its_start_is_shown_so_far(tmp_path: Path) -> None:
    shots = [shot_at(n * 100, n * 100 + 100, 100) for n in range(50)]
    entered, streamed = tmp_path / "a.mp4", tmp_path / "a.mkv"
    entered.write_bytes(b"\0\0\0\x18ftypisom")
    streamed.write_bytes(b"\x1a\x45\xdf\xa3")
    assert len(within_reach(entered, shots, 1000)) == 50
    assert len(within_reach(streamed, shots, 1000)) == 10
    assert len(within_reach(streamed, [shot_at(0, 5000, 5000)], 1000)) == 1


def test_only_faces_of_the_frame_are_drawn() -> None:
    shot = shot_at(0, 240, 24)
    faces = [face_at(shot, 60), face_at(shot, 60, track=""), face_at(shot, 120)]
    assert [d.track for d in faces_at(60, faces)] == ["", "t"]  # tracked ones are drawn last, on top
    assert faces_at(90, faces) == []


def shown(stock: Stock, cache: Path, gallery: Gallery) -> tuple[dict[int, Picture | None], str]:
    mined = read_mined(stock.workspace, stock.episode)
    moments = choose_moments(mined.shots, mined.holds, mined.detections, 9)
    assert {m.pts for m in moments} <= {d.pts for d in mined.detections}
    return Stills(cache, stock.episode).pictures(moments, gallery)


def test_the_pictures_are_those_that_were_searched_and_are_decoded_once(
    stock: Stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, trouble = shown(stock, tmp_path, Gallery())
    assert trouble == ""
    assert len(pictures) == 3
    assert all(picture and picture.width == 320 for picture in pictures.values())
    kept = sorted(tmp_path.rglob("*.webp"), key=lambda path: int(path.stem))
    assert [int(path.stem) for path in kept] == sorted(pictures)
    asked: list[int] = []
    monkeypatch.setattr(strips, "frames_at_times", lambda _path, times: asked.extend(times) or [])
    assert shown(stock, tmp_path, Gallery()) == (pictures, "")
    assert asked == []
    kept[1].write_bytes(b"RIFF")
    assert len(shown(stock, tmp_path, Gallery())[0]) == 2
    assert asked == [int(kept[1].stem)], "a damaged one is decoded again"


def test_where_nothing_can_be_kept_the_pictures_are_shown_all_the_same(stock: Stock, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    pictures, trouble = shown(stock, tmp_path / "cache", Gallery())
    assert (len(pictures), trouble) == (3, "")


def test_a_full_page_leaves_pictures_out_and_keeps_them_for_the_next(stock: Stock, tmp_path: Path) -> None:
    gallery = Gallery(budget_bytes=1)
    pictures, _ = shown(stock, tmp_path, gallery)
    assert [picture is None for picture in pictures.values()] == [False, True, True]
    assert gallery.refused == 2
    assert len(list(tmp_path.rglob("*.webp"))) == 3


def test_a_file_that_is_no_video_is_told_not_raised(stock: Stock, tmp_path: Path) -> None:
    path = stock.workspace.root / "no-video.mp4"
    path.write_bytes(b"this is no video at all")
    episode = Episode(
        id="e", name="e", path=str(path), sha256="0" * 64, size_bytes=23, width=16, height=16, time_base=Fraction(1, 24)
    )  # fmt: skip
    pictures, trouble = Stills(tmp_path, episode).pictures(choose_moments([shot_at(0, 24, 24)], [], [], 9), Gallery())
    assert pictures == {}
    assert "no-video.mp4" in trouble
