from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.places import Box
from pipeline.core.records import Detection, Episode, Hold, Shot
from pipeline.report.filmstrip import read_mined
from pipeline.report.strips import choose_moments, decode_moments, faces_at
from pipeline.report.thumbnails import Gallery
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


def test_a_shot_without_faces_is_shown_by_its_middle() -> None:
    shots = [shot_at(0, 100, 10), shot_at(100, 300, 20)]
    assert [m.index for m in choose_moments(shots, [], [], 9, 999)] == [5, 20]


def test_the_frame_with_the_most_tracked_faces_stands_for_its_shot() -> None:
    shot = shot_at(0, 240, 24)
    faces = [face_at(shot, 60), face_at(shot, 120), face_at(shot, 180), face_at(shot, 180, left=50)]
    noise = [face_at(shot, 0, track="", left=n) for n in range(9)]
    assert [m.index for m in choose_moments([shot], [], faces + noise, 9, 999)] == [18]


def test_holds_lead_to_the_drawing_at_a_variable_frame_rate() -> None:
    # 10 quick frames in 10 ticks, then 2 slow ones in 90: a share of the time would miss the last drawing by far
    shot = shot_at(0, 100, 12)
    holds = [hold_at(shot, 0, 10, 10), hold_at(shot, 10, 55, 1), hold_at(shot, 55, 100, 1)]
    assert [m.index for m in choose_moments([shot], holds, [face_at(shot, 10)], 9, 999)] == [10]
    assert [m.index for m in choose_moments([shot], holds, [face_at(shot, 55)], 9, 999)] == [11]


def test_a_long_episode_is_decoded_only_so_far() -> None:
    shots = [shot_at(n * 100, n * 100 + 100, 100) for n in range(50)]
    moments = choose_moments(shots, [], [], 4, 1000)
    assert [m.index for m in moments] == [50, 250, 550, 750]


def test_a_first_shot_beyond_the_limit_is_shown_all_the_same() -> None:
    assert len(choose_moments([shot_at(0, 5000, 5000)], [], [], 4, 1000)) == 1


@given(
    frames=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    tick=st.integers(1, 4000),
    start=st.integers(-9000, 9000),
    pick=st.integers(0, 10_000),
)
def test_at_a_constant_frame_rate_the_frame_is_found_exactly(
    frames: list[int], tick: int, start: int, pick: int
) -> None:
    total, at, shots = sum(frames), start, []
    for count in frames:
        shots.append(shot_at(at, at + count * tick, count))
        at += count * tick
    wanted = pick % total
    pts = start + wanted * tick
    home = next(s for s in shots if s.start_pts <= pts < s.end_pts)
    moments = choose_moments(shots, [], [face_at(home, pts)], 99, 10**9)
    assert wanted in [m.index for m in moments]


def test_only_faces_near_the_decoded_frame_are_drawn() -> None:
    shot = shot_at(0, 240, 24)
    faces = [face_at(shot, 60), face_at(shot, 60, track=""), face_at(shot, 120)]
    assert [d.track for d in faces_at(65, shot, faces)] == ["", "t"]  # tracked ones are drawn last, on top
    assert faces_at(90, shot, faces) == []
    assert faces_at(90, shot, []) == []


def test_the_decoded_frames_are_those_that_were_sampled(stock: Stock) -> None:
    mined = read_mined(stock.workspace, stock.episode)
    moments = choose_moments(mined.shots, mined.holds, mined.detections, 9, 999)
    stills, trouble = decode_moments(stock.episode, moments, Gallery())
    sampled = {d.pts for d in mined.detections}
    assert trouble == ""
    assert len(stills) == 3
    assert all(still.pts in sampled for still in stills.values())
    assert all(still.picture and still.picture.width == 320 for still in stills.values())


def test_a_file_that_is_no_video_is_told_not_raised(stock: Stock) -> None:
    path = stock.workspace.root / "no-video.mp4"
    path.write_bytes(b"this is no video at all")
    episode = Episode(
        id="e", name="e", path=str(path), sha256="0" * 64, size_bytes=23, width=16, height=16, time_base=Fraction(1, 24)
    )  # fmt: skip
    stills, trouble = decode_moments(episode, choose_moments([shot_at(0, 24, 24)], [], [], 9, 99), Gallery())
    assert stills == {}
    assert "no-video.mp4" in trouble
