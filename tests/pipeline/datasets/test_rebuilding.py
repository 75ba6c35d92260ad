"""Recipes without pixels, and what is rebuilt from other copies of the same episodes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import DatasetError, InputError
from pipeline.core.images import encode_png
from pipeline.core.manifest import read_dataset
from pipeline.core.workspace import Workspace
from pipeline.datasets.recipes.document import read_recipe
from pipeline.export import ExportOptions
from pipeline.flow.curation import export
from pipeline.flow.datasets import verify_dataset, verify_sources, version_record, write_as
from pipeline.flow.importing import ImportOptions, import_dataset
from pipeline.flow.recipes import RebuildOutcome, rebuild, rebuild_summary
from tests.conftest import Toonsift
from tests.pipeline.datasets.conftest import blocks
from tests.pipeline.datasets.footage import export_all, put_footage
from tests.videos import encode, ffmpeg, scenes


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, series: Path) -> tuple[Workspace, Path, list[Path]]:
    """A workspace with a version of 24 crops of two drawn episodes, its recipe, and the episodes."""
    videos = sorted(series.glob("*.mp4"))[:2]
    workspace = Workspace(tmp_path_factory.mktemp("home"))
    for video in videos:
        put_footage(workspace, video, 24)
    export_all(workspace)
    recipe = write_as(workspace, version_record(workspace, "faces"), "recipe").path
    return workspace, recipe, videos


Home = tuple[Workspace, Path, list[Path]]


def told(workspace: Workspace, outcome: RebuildOutcome) -> dict[str, int]:
    matches: dict[str, int] = rebuild_summary(workspace, outcome)["matches"]
    return matches


def reencode(videos: list[Path], folder: Path, *filters: str, before: tuple[str, ...] = (), rate: str = "24") -> None:
    folder.mkdir()
    for n, video in enumerate(videos):
        chain = ("-vf", ",".join(filters)) if filters else ()
        encoder = (
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-crf",
            "30",
            "-an",
            "-r",
            rate,
            f"file:{folder}/copy {n}.mkv",
        )
        ffmpeg(*before, "-i", str(video), *chain, *encoder)


def test_a_recipe_holds_no_pixel(home: Home) -> None:
    workspace, recipe, _ = home
    files = {path.name for path in recipe.iterdir()}
    assert files == {"recipe.json", "leaks.json", "README.md", "SHA256SUMS", "toonsift.json"}
    found = read_recipe(recipe)
    assert len(found.items) == 24
    assert all(len(episode.prints) >= 20 for episode in found.episodes)
    assert verify_dataset(workspace, str(recipe)) == []


def test_the_same_files_give_the_same_version_to_the_bit(home: Home, workspace: Workspace, tmp_path: Path) -> None:
    there, recipe, videos = home
    for n, video in enumerate(videos):
        shutil.copy(video, tmp_path / f"renamed {n}.mp4")
    outcome = rebuild(workspace, recipe, [tmp_path])
    assert outcome.same
    assert outcome.dataset.digest == version_record(there, "faces").digest
    assert told(workspace, outcome) == {"identical": 24, "close": 0, "loose": 0, "missing": 0}
    assert verify_dataset(workspace, "faces") == []
    assert verify_sources(workspace, "faces", 4).faults == []
    assert rebuild(workspace, recipe, [tmp_path]).already


def test_another_encode_size_and_start_are_aligned(home: Home, workspace: Workspace, tmp_path: Path) -> None:
    _, recipe, videos = home
    reencode(videos, tmp_path / "copies", "scale=320:200", before=("-ss", "1.75"))
    encode(tmp_path / "copies" / "unrelated.mp4", scenes(3, 24, 320, 200))
    outcome = rebuild(workspace, recipe, [tmp_path / "copies"], "mine")
    for line in outcome.report["episodes"]:
        assert line["offset_seconds"] == pytest.approx(-1.75, abs=0.05), line
        assert line["speed"] == pytest.approx(1.0, abs=0.003)
        assert line["copy"].startswith("copy")
    matches = told(workspace, outcome)
    assert matches["close"] >= 18, outcome.report["items"]
    early = {i["item"] for i in outcome.report["items"] if i["match"] == "missing"}
    first = {item.id for item in read_recipe(recipe).items if float(item.pts * item.time_base) < 1.0}
    assert first & early == first, "what was cut off is said to be missing"
    assert len(early) <= len(first) + 2
    original = {e.id: e for e in read_recipe(recipe).items}
    for example in read_dataset(workspace.dataset_folder("mine")).examples:
        assert (example.label, example.split) == (original[example.id].label, original[example.id].split)
        ours, theirs = (float(e.pts * e.time_base) for e in (original[example.id], example))
        # a moment that was cut off is still found where its drawing is held on into the copy's first frame
        assert theirs - ours == pytest.approx(-1.75, abs=0.2 if ours >= 1.75 else 0.5)
    assert outcome.dataset.parent == read_recipe(recipe).manifest.digest
    assert verify_sources(workspace, "mine", 3).faults == []


def test_pal_speed_and_an_added_opening_are_aligned(home: Home, workspace: Workspace, tmp_path: Path) -> None:
    _, recipe, videos = home
    reencode(videos[:1], tmp_path / "copies", "tpad=start_duration=3:color=0x336699", "setpts=PTS*24/25", rate="25")
    outcome = rebuild(workspace, recipe, [tmp_path / "copies"], "pal")
    [line] = [one for one in outcome.report["episodes"] if one["copy"]]
    assert line["speed"] == pytest.approx(24 / 25, abs=0.003)
    assert line["offset_seconds"] == pytest.approx(3 * 24 / 25, abs=0.08)
    assert told(workspace, outcome)["close"] >= 10
    assert {one["how"] for one in outcome.report["episodes"]} == {"aligned", "not among the videos"}


def test_a_copy_cropped_at_its_edges_is_framed(home: Home, workspace: Workspace, tmp_path: Path) -> None:
    _, recipe, videos = home
    reencode(videos[:1], tmp_path / "copies", "crop=iw*0.94:ih*0.96:iw*0.03:ih*0.02")
    outcome = rebuild(workspace, recipe, [tmp_path / "copies"], "cropped")
    [line] = [one for one in outcome.report["episodes"] if one["copy"]]
    across, left, down, top = line["framing"]
    assert (across, down) == (pytest.approx(1 / 0.94, abs=0.03), pytest.approx(1 / 0.96, abs=0.03))
    assert (left, top) == (pytest.approx(-0.03 / 0.94, abs=0.02), pytest.approx(-0.02 / 0.96, abs=0.02))
    assert told(workspace, outcome)["close"] >= 8


def test_videos_of_something_else_are_no_copies(home: Home, workspace: Workspace, tmp_path: Path) -> None:
    encode(tmp_path / "other.mp4", scenes(4, 24, 320, 200))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(DatasetError, match="none of the 2 episodes of .* is there"):
        rebuild(workspace, home[1], [tmp_path])
    assert not workspace.datasets.exists()


def test_a_recipe_from_outside_is_not_trusted(home: Home, workspace: Workspace, tmp_path: Path) -> None:
    document = json.loads((home[1] / "recipe.json").read_text())

    def spoilt(**changes: object) -> Path:
        path = tmp_path / "recipe.json"
        path.write_text(json.dumps(document | {"items": [document["items"][0] | changes]}))
        return path

    for changes, words in (
        ({"id": "../../x"}, "cannot name an item"),
        ({"label": "other"}, "label 'other' or split"),
        ({"split": "../train"}, "split '../train' is unknown"),
        ({"episode": "e9"}, "no episode 'e9'"),
        ({"left": 500, "right": 2}, "a box needs left < right"),
        ({"pts": "7"}, "a field is not of its type"),
        ({"phash": "zz"}, "a field is not of its type"),
        ({"time_base_den": 0}, "makes no sense"),
    ):
        with pytest.raises(DatasetError, match=words):
            read_recipe(spoilt(**changes))
    (tmp_path / "recipe.json").write_text(json.dumps(document | {"format": 9}))
    with pytest.raises(DatasetError, match="format 9 is newer"):
        read_recipe(tmp_path)
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(DatasetError, match="not a toonsift recipe"):
        read_recipe(tmp_path)
    evil = document | {"manifest": document["manifest"] | {"name": "../../evil"}}
    (tmp_path / "recipe.json").write_text(json.dumps(evil))
    with pytest.raises(DatasetError, match="cannot name a dataset"):
        rebuild(workspace, tmp_path, [tmp_path])
    with pytest.raises(InputError, match="cannot name a dataset"):
        rebuild(workspace, home[1], [tmp_path], "../evil")


def test_what_comes_from_no_episode_has_no_recipe(workspace: Workspace, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for n in range(4):
        (tmp_path / "in" / f"class{n % 2}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / f"class{n % 2}" / f"{n}.png").write_bytes(encode_png(blocks(random)))
    import_dataset(workspace, "folder", tmp_path / "in", "theirs", ImportOptions())
    with pytest.raises(DatasetError, match="no example of it comes from an episode"):
        write_as(workspace, version_record(workspace, "theirs"), "recipe")


def test_an_episode_that_is_gone_gives_a_recipe_that_says_so(filled: Workspace) -> None:
    written = write_as(filled, export(filled, "faces", ExportOptions()).dataset, "recipe")
    assert len(written.notes) == 2
    assert "e1: no fingerprints, so only the same file will do" in written.notes[0]


def test_the_command_says_item_by_item_how_well_it_matched(home: Home, toonsift: Toonsift, tmp_path: Path) -> None:
    _, recipe, videos = home
    (tmp_path / "mine").mkdir()
    shutil.copy(videos[0], tmp_path / "mine" / "one.mp4")
    done = toonsift("rebuild", recipe, "--videos", tmp_path / "mine", "--json")
    assert done.code == 1, "the other episode's items are missing"
    assert done.json["matches"] == {"identical": 12, "close": 0, "loose": 0, "missing": 12}
    assert {"item", "match", "bits", "shift_seconds"} == set(done.json["items"][0])
    assert len(done.json["items"]) == 24
    shown = toonsift("rebuild", recipe, "--videos", tmp_path / "mine")
    assert "not among the videos" in shown.out


@pytest.mark.slow
def test_the_other_encode_of_a_real_cartoon_is_aligned(shared: Path, workspace: Workspace, tmp_path: Path) -> None:
    there = Workspace(tmp_path / "there")
    put_footage(there, shared / "clips" / "popeye" / "popeye_T01_1440.mkv", 48)
    export_all(there)
    recipe = write_as(there, version_record(there, "faces"), "recipe").path
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("popeye_T00_720.mkv", "popeye_T01_720.mkv"):
        shutil.copy(shared / "clips" / "popeye" / name, copies / name)
    outcome = rebuild(workspace, recipe, [copies])
    [line] = outcome.report["episodes"]
    assert line["copy"] == "popeye_T01_720.mkv"
    assert line["speed"] == pytest.approx(1.001, abs=0.001), "24 frames a second against 24000/1001"
    assert abs(line["offset_seconds"]) < 0.1
    matches = told(workspace, outcome)
    assert matches["close"] + matches["loose"] >= 20, outcome.report["items"]
