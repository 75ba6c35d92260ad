"""Episodes on their way into the catalogue: shot by shot, resumed, replaced as a whole, and joined."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascades.looked_for import LoadedCascade
from cascades.xml import write_xml
from pipeline.core.errors import DecodingStoppedError, InputError, NotFoundError, UsageError
from pipeline.core.records import Chunk, Crop, Detection, Episode, Hold, Label, Run, SearchedPart, Shot, Track
from pipeline.core.workspace import Workspace
from pipeline.crops import CropOptions
from pipeline.flow import mining_work
from pipeline.flow.forecast import forecast
from pipeline.flow.joining import join
from pipeline.flow.mining import Wanted, mine_paths
from pipeline.flow.planning import Shard, plan
from pipeline.inventory import status
from pipeline.mine import FoundSoFar, MinedShot, MineOptions
from pipeline.searches import FaceSearch
from tests.cascades.drawing import random_model
from tests.videos import encode, scenes

FOUND = (Episode, Shot, Hold, Detection, Track, Crop)
OPTIONS = MineOptions(min_face=24)


@pytest.fixture(scope="module")
def cascade() -> LoadedCascade:
    """Finds something somewhere: what it is is of no interest here."""
    return cascade_of(1)


def cascade_of(seed: int) -> LoadedCascade:
    xml = write_xml(random_model(np.random.default_rng(seed)))
    return LoadedCascade(character="anyone", digest=hashlib.sha256(xml).hexdigest(), content=xml, min_score=0.01)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return encode(tmp_path / "a.mp4", scenes(4, 24))


def found(workspace: Workspace) -> list[Any]:
    return [record for kind in FOUND for record in workspace.catalogue.all(kind)]


def fresh(tmp_path: Path, video: Path, cascade: LoadedCascade, options: MineOptions = OPTIONS) -> list[Any]:
    """What an undisturbed run finds."""
    workspace = Workspace(tmp_path / f"fresh-{len(list(tmp_path.iterdir()))}")
    mine_paths(workspace, [video], [cascade], options)
    return found(workspace)


class Fault(BaseException):
    """Ends the process as a kill would: nothing catches it."""


def stop_after(monkeypatch: pytest.MonkeyPatch, count: int, kind: type[Any] = MinedShot) -> None:
    """Makes the worker die once so many shots, or others of its parts, are handed in."""
    real = mining_work.mine_episode

    def dying(job: Any, send: Any) -> Any:
        left = count

        def counting(part: Any) -> None:
            nonlocal left
            send(part)
            left -= isinstance(part, kind)
            if left == 0:
                raise Fault

        return real(job, counting)

    monkeypatch.setattr("pipeline.flow.mining.mine_episode", dying)


def test_what_is_mined_shows_shot_by_shot_and_the_next_call_goes_on(
    tmp_path: Path, video: Path, cascade: LoadedCascade, workspace: Workspace
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Fault):
            mine_paths(workspace, [video], [cascade], OPTIONS)
    assert workspace.catalogue.count(Shot) == 2
    assert workspace.catalogue.count(Run) == 0
    (unfinished,) = status(workspace)["unfinished"]
    assert unfinished["path"] == str(video.resolve())
    assert 0 < unfinished["mined_seconds"] < 4
    handed_in: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        real = mining_work.mine_episode

        def listening(job: Any, send: Any) -> Any:
            return real(job, lambda part: (handed_in.append(type(part).__name__), send(part)))

        patch.setattr("pipeline.flow.mining.mine_episode", listening)
        (outcome,) = mine_paths(workspace, [video], [cascade], OPTIONS)
    assert handed_in.count("MinedShot") == 2
    assert (outcome.status, outcome.counts["shots"], outcome.counts["frames"]) == ("mined", 4, 96)
    assert found(workspace) == fresh(tmp_path, video, cascade)
    assert workspace.catalogue.count(Chunk) == 0
    assert status(workspace)["unfinished"] == []


@pytest.mark.parametrize("parts", [1, 3])
def test_a_shot_that_never_ends_is_not_searched_again_where_it_was(
    tmp_path: Path, cascade: LoadedCascade, workspace: Workspace, parts: int
) -> None:
    frames = np.concatenate([scenes(1, 24), *[scenes(1, 24, seed=1)] * 5])
    video, options = encode(tmp_path / "long.mp4", frames), replace(OPTIONS, fps=24)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, parts, FoundSoFar)
        with pytest.raises(Fault):
            mine_paths(workspace, [video], [cascade], options)
    assert workspace.catalogue.count(Shot) <= 1, "a cut is sure only some frames later, and the second shot goes on"
    part = workspace.catalogue.all(SearchedPart)[-1]
    (unfinished,) = status(workspace)["unfinished"]
    (episode,) = workspace.catalogue.all(Episode)
    assert unfinished["mined_seconds"] == pytest.approx(float((part.end_pts - episode.start_pts) * episode.time_base))
    searched: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        real = FaceSearch.search

        def listening(self: FaceSearch, frame: Any) -> Any:
            searched.append(frame.index)
            return real(self, frame)

        patch.setattr(FaceSearch, "search", listening)
        (outcome,) = mine_paths(workspace, [video], [cascade], options)
    assert (outcome.counts["shots"], outcome.counts["sampled"]) == (2, len(frames))
    assert searched == list(range(searched[0], len(frames)))
    assert len(searched) <= len(frames) - 40 * parts + 17, "what is new, and two groups before it"
    assert workspace.catalogue.count(Detection) > 100
    assert found(workspace) == fresh(tmp_path, video, cascade, options)
    assert workspace.catalogue.count(SearchedPart) == 0


def test_ffmpeg_killed_in_a_long_shot_costs_what_came_after_the_last_part(
    tmp_path: Path, cascade: LoadedCascade, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = np.concatenate([scenes(1, 72), *[scenes(1, 24, seed=1)] * 5])
    video, options = encode(tmp_path / "long.mp4", frames), replace(OPTIONS, fps=24)
    expected = fresh(tmp_path, video, cascade, options)
    real, begun, jobs = mining_work.watch, iter((130, 170)), []

    def dying(*words: Any, **named: Any) -> Any:
        most = next(begun, None)
        for frame in real(*words, **named):
            if most == frame.index:
                raise DecodingStoppedError("ffmpeg was killed")
            yield frame

    real_mine = mining_work._mine

    def noting(job: Any, path: Path, send: Any) -> Any:
        jobs.append(job)
        return real_mine(job, path, send)

    monkeypatch.setattr(mining_work, "watch", dying)
    monkeypatch.setattr(mining_work, "_mine", noting)
    (outcome,) = mine_paths(workspace, [video], [cascade], options)
    assert (outcome.status, outcome.counts["shots"], outcome.counts["sampled"]) == ("mined", 2, len(frames))
    assert found(workspace) == expected
    assert [job.found is not None for job in jobs] == [False, True, True]
    assert jobs[1].found.end_pts < jobs[2].found.end_pts
    assert all(job.resume_from_pts is None or job.found.end_pts > job.resume_from_pts for job in jobs[1:])


def test_what_was_found_in_an_open_shot_is_forgotten_with_other_options(
    tmp_path: Path, cascade: LoadedCascade, workspace: Workspace
) -> None:
    video, options = encode(tmp_path / "long.mp4", scenes(1, 96)), replace(OPTIONS, fps=24)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2, FoundSoFar)
        with pytest.raises(Fault):
            mine_paths(workspace, [video], [cascade], options)
    assert workspace.catalogue.count(SearchedPart) == 2
    other = replace(options, scale_factor=1.3)
    mine_paths(workspace, [video], [cascade], other)
    assert found(workspace) == fresh(tmp_path, video, cascade, other)
    assert workspace.catalogue.count(SearchedPart) == 0


def test_old_results_stay_until_the_new_ones_are_complete(
    tmp_path: Path, video: Path, cascade: LoadedCascade, workspace: Workspace
) -> None:
    mine_paths(workspace, [video], [cascade], OPTIONS)
    old = found(workspace)
    assert workspace.catalogue.count(Crop)
    other = cascade_of(2)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(Fault):
            mine_paths(workspace, [video], [other], OPTIONS)
    assert found(workspace) == old
    assert workspace.catalogue.count(Chunk) == 3
    mine_paths(workspace, [video], [cascade], OPTIONS)
    assert found(workspace) == old, "the old options are still done"
    mine_paths(workspace, [video], [other], OPTIONS)
    assert found(workspace) == fresh(tmp_path, video, other)
    assert workspace.catalogue.count(Chunk) == 0


def test_what_other_options_left_unfinished_goes(
    tmp_path: Path, video: Path, cascade: LoadedCascade, workspace: Workspace
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Fault):
            mine_paths(workspace, [video], [cascade], OPTIONS)
    options = replace(OPTIONS, fps=2)
    mine_paths(workspace, [video], [cascade], options)
    assert found(workspace) == fresh(tmp_path, video, cascade, options)


def test_labels_and_their_crops_outlive_a_new_cascade(
    tmp_path: Path, video: Path, cascade: LoadedCascade, workspace: Workspace
) -> None:
    mine_paths(workspace, [video], [cascade], OPTIONS)
    crop = workspace.catalogue.all(Crop)[0]
    label = Label(
        id="l1", crop=crop.id, emotion="happy", character="", annotator="a", source="b", created="2020-01-01T00:00:00"
    )
    workspace.catalogue.put([label])
    mine_paths(workspace, [video], [cascade_of(2)], OPTIONS)
    assert workspace.catalogue.all(Label) == [label]
    kept = workspace.catalogue.get(Crop, crop.id)
    assert kept is not None
    assert workspace.catalogue.get(Shot, kept.shot) is not None
    assert workspace.objects.read(kept.sha256, ".png")


def test_options_of_crops_and_tracks_search_nothing_again(
    tmp_path: Path, video: Path, cascade: LoadedCascade, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine_paths(workspace, [video], [cascade], OPTIONS)
    options = replace(OPTIONS, crops=CropOptions(per_track=1))
    expected = fresh(tmp_path, video, cascade, options)

    def refuse(*_: object) -> object:
        raise AssertionError("it searched")

    monkeypatch.setattr("cascades.detect.Detector.find", refuse)
    (outcome,) = mine_paths(workspace, [video], [cascade], options)
    assert outcome.status == "mined"
    assert found(workspace) == expected


def test_shards_share_out_the_episodes_and_merge_joins_them(tmp_path: Path, cascade: LoadedCascade) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    for n in range(5):
        encode(folder / f"{n}.mp4", scenes(2, 12, seed=n))
    whole = Workspace(tmp_path / "whole")
    mine_paths(whole, [folder], [cascade], OPTIONS)
    parts = []
    for number in (1, 2, 3):
        workspace = Workspace(tmp_path / f"part-{number}")
        mine_paths(workspace, [folder], [cascade], OPTIONS, shard=Shard(number=number, of=3))
        parts.append(workspace)
    assert sum(part.catalogue.count(Episode) for part in parts) == 5
    joined = Workspace(tmp_path / "joined")
    done = join(joined, [part.root for part in parts])
    assert (done.episodes, done.already, done.unfinished) == (5, 0, 0)
    assert found(joined) == found(whole)
    assert all(joined.objects.read(crop.sha256, ".png") for crop in joined.catalogue.all(Crop))
    again = join(joined, [part.root for part in parts])
    assert (again.episodes, again.already) == (0, 5)
    assert {o.status for o in mine_paths(joined, [folder], [cascade], OPTIONS)} == {"already"}


def test_only_another_workspace_can_be_joined(tmp_path: Path, workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="is no workspace"):
        join(workspace, [tmp_path])
    with pytest.raises(InputError, match="is the workspace that is to be joined to"):
        join(workspace, [workspace.root])


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "a/b", "1/0", "-1/2"])
def test_a_shard_is_a_number_of_so_many(text: str) -> None:
    with pytest.raises(UsageError, match="--shard is NUMBER/OF"):
        Shard.read(text)


def test_a_forecast_stores_nothing_and_learns_from_earlier_runs(
    video: Path, tmp_path: Path, cascade: LoadedCascade, workspace: Workspace
) -> None:
    wanted = Wanted((cascade,), OPTIONS)
    first = forecast(workspace, plan(workspace, [video], wanted.digest), wanted, 2)
    assert [o.status for o in first.outcomes] == ["pending"]
    assert first.seconds > 0
    assert "the first 96 frames of" in first.basis
    assert found(workspace) == []
    mine_paths(workspace, [video], [cascade], OPTIONS)
    encode(tmp_path / "b.mp4", scenes(8, 24, seed=5))
    both = forecast(workspace, plan(workspace, [video, tmp_path / "b.mp4"], wanted.digest), wanted, 2)
    assert [o.status for o in both.outcomes] == ["already", "pending"]
    assert both.basis == "the rate of 1 earlier runs here"
    run = workspace.catalogue.all(Run)[0]
    assert both.seconds == pytest.approx(2 * run.seconds, rel=0.2, abs=0.2)


def test_two_workers_and_one_give_the_same(tmp_path: Path, cascade: LoadedCascade, workspace: Workspace) -> None:
    videos = [encode(tmp_path / f"{n}.mp4", scenes(2, 12, seed=n)) for n in range(3)]
    mine_paths(workspace, videos, [cascade], OPTIONS, jobs=2)
    alone = Workspace(tmp_path / "alone")
    mine_paths(alone, videos, [cascade], OPTIONS, jobs=1)
    assert found(workspace) == found(alone)
    assert json.loads(workspace.catalogue.all(Run)[0].counts) == json.loads(alone.catalogue.all(Run)[0].counts)
