import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cascades.scoring.calibration import Calibration
from cascades.studio.suspect_sheet import as_csv, sheet_html, views_of
from cascades.studio.suspects import Suspect, SuspectOptions, rank_suspects
from pipeline.core.images import encode_png
from pipeline.core.places import Box, Place
from pipeline.core.records import NOT_A_FACE, Crop, Detection, Episode, Shot, Track
from pipeline.core.workspace import Workspace
from tests.cascades.studio.workspaces import Studio, detection_of, make_studio
from tests.records import episode as episode_record

ALL = SuspectOptions(of_a_kind=99)
STEP = 6  # ticks between two samples at 4 per second of 24


@pytest.fixture
def tracked(workspace: Workspace) -> Workspace:
    """A face followed over 20 samples of one shot."""
    episode = episode_record("e1", end_pts=240, name="=cmd")
    shot = Shot(id="e1.s0", episode="e1", start_pts=0, end_pts=240, frames=240)
    track = Track(
        id="t", episode="e1", shot=shot.id, character="ann", start_pts=0, end_pts=115, detections=20, score=20.0
    )
    found = [
        detection_of(episode, shot, n * STEP, Box(left=50 + n, top=50, right=110 + n, bottom=110), 20.0 + n, track="t")
        for n in range(20)
    ]
    workspace.catalogue.put([episode, shot, track, *found])
    return workspace


def add(workspace: Workspace, pts: int, box: tuple[int, int, int, int], score: float = 30.0, **more: str) -> str:
    left, top, right, bottom = box
    (episode,), (shot,) = workspace.catalogue.all(Episode), workspace.catalogue.all(Shot)
    found = detection_of(episode, shot, pts, Box(left=left, top=top, right=right, bottom=bottom), score, **more)
    workspace.catalogue.put([found])
    return found.id


def words(suspects: list[Suspect], id: str) -> str:
    return next("; ".join(s.reasons) for s in suspects if s.detection.id == id)


def test_what_is_alone_and_without_a_track_comes_before_a_well_followed_face(tracked: Workspace) -> None:
    alone = add(tracked, 6 * STEP, (300, 200, 360, 260))
    suspects = rank_suspects(tracked)
    assert suspects[0].detection.id == alone
    assert "alone in time" in words(suspects, alone)
    assert "no track" in words(suspects, alone)
    assert suspects[0].doubt > 0.7
    assert not any("alone" in reason for s in suspects[1:] for reason in s.reasons)


def test_something_near_in_the_next_sample_is_no_longer_alone(tracked: Workspace) -> None:
    first = add(tracked, 6 * STEP, (300, 200, 360, 260))
    second = add(tracked, 7 * STEP, (310, 205, 372, 262))
    far = add(tracked, 12 * STEP, (305, 200, 362, 260))
    suspects = rank_suspects(tracked, options=ALL)
    assert "alone" not in words(suspects, first) + words(suspects, second)
    assert "alone" in words(suspects, far), "two samples are between it and the others"


def test_a_size_unlike_its_track_s_is_told(tracked: Workspace) -> None:
    odd = add(tracked, 9 * STEP + 1, (40, 40, 160, 160), track="t")
    assert "2.0 times as large as its track" in words(rank_suspects(tracked), odd)


def test_low_scores_are_doubted_until_a_calibration_says_otherwise(tracked: Workspace) -> None:
    lowest = min(tracked.catalogue.all(Detection), key=lambda d: d.score)
    assert "lower than 100% of its cascade's" in words(rank_suspects(tracked), lowest.id)
    sure = Calibration(
        method="platt", knots=((1.0, 0.99), (100.0, 0.999)), finds=99, right=98, brier=0.01, brier_of_share=0.01,
        reliability=(),
    )  # fmt: skip
    assert rank_suspects(tracked, calibrations={lowest.cascade: sure}) == []
    doubtful = replace(sure, knots=((1.0, 0.2), (100.0, 0.3)))
    suspects = rank_suspects(tracked, calibrations={lowest.cascade: doubtful})
    assert suspects[0].doubt > 0.6
    assert "a face with probability 0.2" in suspects[0].reasons[0]


def test_two_cascades_that_disagree_are_told_at_the_less_sure_one_more(tracked: Workspace) -> None:
    ben = add(tracked, 19 * STEP, (69, 50, 129, 110), score=1.0, character="ben")
    add(tracked, 2 * STEP, (300, 50, 360, 110), score=0.5, character="ben")
    suspects = rank_suspects(tracked, options=ALL)
    assert "ann was found there too" in words(suspects, ben)
    ann = next(d for d in tracked.catalogue.all(Detection, pts=19 * STEP) if d.character == "ann")
    assert "ben was found there too" in words(suspects, ann.id)


def test_what_was_answered_is_not_asked_again_and_what_is_like_a_refused_one_is(tracked: Workspace) -> None:
    first = add(tracked, 6 * STEP, (300, 200, 360, 260))
    there = add(tracked, 12 * STEP, (302, 200, 362, 260))
    place = Place(episode="e1", pts=6 * STEP, box=Box(left=300, top=200, right=360, bottom=260))
    Studio(tracked, tracked.catalogue.all(Episode)[0], (), ()).say(place.id, emotion=NOT_A_FACE)
    suspects = rank_suspects(tracked)
    assert first not in {s.detection.id for s in suspects}
    assert "like what was called no face" in words(suspects, there)


def test_a_near_duplicate_of_a_refused_crop_is_doubted(tmp_path: Path) -> None:
    studio = make_studio(tmp_path, frames=8)
    refused, twin = studio.crops[0], studio.crops[5]
    studio.workspace.catalogue.put([replace(twin, sha256=refused.sha256)])
    from pipeline.core.images import decode_rgb
    from pipeline.duplicates import HASH_KIND, phash

    digits = phash(decode_rgb(studio.workspace.objects.read(refused.sha256, ".png"), "crop"))
    studio.workspace.catalogue.put_hashes(HASH_KIND, {twin.id: digits})
    studio.say(refused.id, emotion=NOT_A_FACE)
    found = next(s for s in rank_suspects(studio.workspace) if s.item == twin.id)
    assert "like what was called no face" in found.reasons


def test_of_one_spot_of_a_shot_a_few_are_asked_and_the_rest_counted(tracked: Workspace) -> None:
    for n in range(9):
        add(tracked, n * 2 * STEP, (300, 200, 360, 260), score=0.1 * n)
    there = [s for s in rank_suspects(tracked) if s.detection.box.left == 300]
    assert len(there) == 2
    assert sum(s.like_it for s in there) == 7


def test_only_the_wanted_cascade_and_no_more_than_the_limit(tracked: Workspace) -> None:
    add(tracked, 2 * STEP, (300, 50, 360, 110), score=0.5, character="ben")
    assert {s.detection.character for s in rank_suspects(tracked, "b" * 64)} == {"ben"}
    assert len(rank_suspects(tracked, limit=1)) == 1
    assert rank_suspects(tracked) == rank_suspects(tracked)


def test_the_csv_asks_and_survives_a_spreadsheet(tracked: Workspace) -> None:
    add(tracked, 6 * STEP, (300, 200, 360, 260))
    suspects = rank_suspects(tracked)
    rows = list(csv.DictReader(io.StringIO(as_csv(suspects, tracked))))
    assert rows[0]["crop"] == f"e1.p{6 * STEP}.300.200.360.260"
    assert {row["answer"] for row in rows} == {""}
    assert rows[0]["episode"] == "'=cmd", "no formula"
    assert rows[0]["timecode"] == "0:00:01.500"


def test_the_sheet_shows_each_suspect_and_escapes_names(tmp_path: Path) -> None:
    studio = make_studio(tmp_path, frames=8)
    catalogue = studio.workspace.catalogue
    catalogue.put([replace(studio.episode, name="<script>alert(1)</script>")])
    suspects = rank_suspects(studio.workspace)
    views = views_of(suspects, studio.workspace)
    assert all(view.picture is not None for view in views)
    html = sheet_html(views, studio.workspace, "suspects.csv", 99)
    assert html.count("<figure>") == len(suspects)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert f"The first {len(suspects)} of 99" in html
    assert not any(word in html for word in ("http:", "https:", "//cdn"))


def test_without_the_video_the_crop_is_shown(tmp_path: Path) -> None:
    studio = make_studio(tmp_path, frames=8)
    Path(studio.episode.path).unlink()
    crop = studio.crops[0]
    grey = studio.workspace.objects.put(encode_png(np.full((20, 20, 3), 9, dtype=np.uint8)), ".png")
    studio.workspace.catalogue.put([replace(crop, sha256=grey)])
    views = views_of(rank_suspects(studio.workspace), studio.workspace)
    shown = next(view for view in views if view.suspect.item == crop.id)
    assert shown.picture is not None
    assert (shown.picture == 9).all()
    studio.workspace.catalogue.delete(Crop, id=crop.id)
    again = views_of([shown.suspect], studio.workspace)
    assert again[0].picture is None
    assert "no picture" in sheet_html(again, studio.workspace, "s.csv", 1)
