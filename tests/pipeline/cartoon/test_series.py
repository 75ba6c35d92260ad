from pathlib import Path

import numpy as np
import pytest

from pipeline.cartoon import CartoonOptions, EpisodeTruth, Series, draw_series
from pipeline.cartoon.series import mixture
from pipeline.cartoon.truth import ShotTruth
from pipeline.core.images import RGB
from pipeline.frames import decode
from tests.pipeline.cartoon.conftest import SMALL


@pytest.fixture(scope="module")
def pictures(small: Series, small_folder: Path) -> dict[str, list[RGB]]:
    return {e.name: [frame.image for frame in decode(small_folder / e.file)] for e in small.episodes}


def difference(a: RGB, b: RGB) -> float:
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())


def test_the_first_episode_does_not_depend_on_how_many_are_drawn(
    small: Series, small_folder: Path, tmp_path: Path
) -> None:
    alone = draw_series(tmp_path, CartoonOptions(episodes=1, seconds=8, width=320, height=180, fps=12, seed=3))
    assert alone.episodes[0] == small.episodes[0]
    assert (tmp_path / "s01e01.mp4").read_bytes() == (small_folder / "s01e01.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s01e01.mp4", "truth.json"]


def test_what_was_drawn_comes_back_from_the_file(small: Series, small_folder: Path, tmp_path: Path) -> None:
    again = draw_series(tmp_path, SMALL)
    assert again == small
    assert (tmp_path / "truth.json").read_bytes() == (small_folder / "truth.json").read_bytes()


def test_a_video_has_exactly_the_frames_of_its_truth(small: Series, pictures: dict[str, list[RGB]]) -> None:
    for episode in small.episodes:
        assert len(pictures[episode.name]) == episode.frames == SMALL.frames
        assert pictures[episode.name][0].shape == (180, 320, 3)


def test_shots_and_holds_cover_an_episode_without_gaps(small: Series) -> None:
    for episode in small.episodes:
        for spans in (episode.shots, episode.holds):
            assert [s.start for s in spans] == [0, *(s.end for s in spans[:-1])]
            assert spans[-1].end == episode.frames
            assert all(s.start < s.end for s in spans)
        assert {shot.start for shot in episode.shots} <= {hold.start for hold in episode.holds}


def test_frames_of_a_hold_look_alike_and_holds_are_worth_having(small: Series, pictures: dict[str, list[RGB]]) -> None:
    within, between = [], []
    for episode in small.episodes:
        frames = pictures[episode.name]
        for hold in episode.holds:
            within += [difference(frames[k], frames[k - 1]) for k in range(hold.start + 1, hold.end)]
            if hold.start:
                between.append(difference(frames[hold.start], frames[hold.start - 1]))
    assert len(within) > 60
    assert np.percentile(within, 95) < 1.0
    assert np.median(between) > 2 * np.median(within)


def test_the_opening_is_the_same_in_every_episode(small: Series, pictures: dict[str, list[RGB]]) -> None:
    first, second = (opening_of(episode) for episode in small.episodes)
    assert len(first) == 2
    assert [(s.start, s.end) for s in first] == [(s.start, s.end) for s in second]
    assert [s.reuses for s in second] == [s.id for s in first] == ["s01e01/0", "s01e01/1"]
    for frame in range(first[-1].end):
        drawings = [[face.drawing for face in episode.faces_at(frame)] for episode in small.episodes]
        assert drawings[0] == drawings[1]
        assert difference(pictures["s01e01"][frame], pictures["s01e02"][frame]) < 2.0


def opening_of(episode: EpisodeTruth) -> list[ShotTruth]:
    return [shot for shot in episode.shots if shot.opening]


def test_a_fade_passes_through_black_and_a_dissolve_shows_both_shots(
    small: Series, pictures: dict[str, list[RGB]]
) -> None:
    for episode in small.episodes:
        fades = [shot for shot in episode.shots if shot.transition == "fade"]
        dissolves = [shot for shot in episode.shots if shot.transition == "dissolve"]
        assert fades
        assert dissolves
        for shot in fades:
            assert pictures[episode.name][shot.start].max() < 24
            assert not episode.faces_at(shot.start)
        for shot in dissolves:
            assert shot.mixed[0] < shot.start < shot.mixed[1]
            tracks = {face.track.split(".")[0] for k in range(*shot.mixed) for face in episode.faces_at(k)}
            assert tracks <= {shot.id, episode.shot_at(shot.start - 1).id}


def test_a_reused_shot_shows_drawings_of_the_earlier_one(small: Series) -> None:
    shots = {shot.id: (episode, shot) for episode in small.episodes for shot in episode.shots}
    reused = [shot for _, shot in shots.values() if shot.reuses and not shot.opening]
    assert reused
    for shot in reused:
        here, there = shots[shot.id][0], shots[shot.reuses]
        now = {
            f.drawing
            for k in range(shot.start, shot.end)
            for f in here.faces_at(k)
            if f.track.startswith(shot.id + ".")
        }
        before = {
            f.drawing
            for k in range(there[1].start, there[1].end)
            for f in there[0].faces_at(k)
            if f.track.startswith(shot.reuses + ".")
        }
        assert not now or now & before


def test_the_weights_of_a_mixture_change_evenly_and_never_exceed_one() -> None:
    def shot(start: int, end: int, kind: str, half: int) -> ShotTruth:
        mixed = (start - half, start + half)
        return ShotTruth(id="", start=start, end=end, transition=kind, mixed=mixed, opening=False, reuses="")  # type: ignore[arg-type]

    shots = [shot(0, 20, "cut", 0), shot(20, 40, "dissolve", 4), shot(40, 60, "fade", 4)]
    sums = [sum(weight for _, weight in mixture(shots, frame)) for frame in range(60)]
    assert max(sums) <= 1.0 + 1e-9
    assert sums[15:25] == pytest.approx([1.0] * 10)
    assert [round(s, 2) for s in sums[35:45]] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"episodes": 0}, "needs 1 episode or more"),
        ({"seconds": 5}, "6 seconds or more"),
        ({"width": 641}, "must be even"),
        ({"height": 80}, "height 90 or more"),
        ({"width": 1200}, "1 to 3 times that, got 1200x360"),
    ],
)
def test_options_that_cannot_be_drawn_are_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CartoonOptions(**wrong)  # type: ignore[arg-type]
