import json
import os
from pathlib import Path

import pytest

from pipeline.core.errors import InputError
from pipeline.core.records import Crop, Hold
from pipeline.report import wording
from pipeline.report.demo import DemoScores
from pipeline.report.documents import as_number, as_whole, parse_document, read_document
from pipeline.report.episodes import hold_shares
from pipeline.report.faces import best_first
from pipeline.report.holdings import spread
from pipeline.report.palette import hues_for
from pipeline.report.scores import read_scores
from pipeline.report.thumbnails import Gallery
from pipeline.report.training import finished_runs, read_epochs
from tests.pipeline.report.stock import Stock, grey


def test_figures_read_well() -> None:
    assert wording.counted(1, "class", "classes") == "1 class"
    assert wording.counted(2500, "class", "classes") == "2,500 classes"
    assert wording.percent(0.9345) == "93.5\u202f%"
    assert [wording.duration(s) for s in (0.04, 59.94, 200, 18_180)] == [
        "0.0\u202fs", "59.9\u202fs", "3\u202fmin 20\u202fs", "5\u202fh 03\u202fmin",
    ]  # fmt: skip
    assert wording.size(1_300_000) == "1.3\u202fMB"
    assert wording.titled("macro_f1") == "macro F1"
    assert wording.titled("f1") == "F1"
    assert wording.plain([1, 2.5, None, True]) == "1, 2.5, \u2013, yes"
    assert len(wording.plain("x" * 1000)) == 160


def test_a_thumbnail_keeps_its_shape_and_is_never_enlarged() -> None:
    gallery = Gallery()
    small, large = gallery.of_image(grey(20, 40), 100), gallery.of_image(grey(500, 1000), 100)
    assert small is not None
    assert large is not None
    assert (small.width, small.height) == (40, 20)
    assert (large.width, large.height) == (100, 50)


def test_the_gallery_stops_at_its_budget() -> None:
    gallery = Gallery(budget_bytes=1)
    assert gallery.of_image(grey(20, 20), 20) is not None
    assert gallery.of_image(grey(20, 20), 20) is None
    assert gallery.refused == 1


def test_a_missing_or_damaged_picture_is_noted(stock: Stock, tmp_path: Path) -> None:
    gallery = Gallery()
    (tmp_path / "bad.png").write_bytes(b"bad")
    assert gallery.of_stored(stock.workspace.objects, "0" * 64) is None
    assert gallery.of_file(tmp_path / "bad.png") is None
    assert gallery.of_file(tmp_path / "none.png") is None
    assert len(gallery.missing) == 3


def test_a_demo_result_becomes_stages_and_groups() -> None:
    demo = DemoScores.of(
        {
            "seed": 3,
            "stages": {"draw": {"seconds": 2.0}, "train": 5},
            "detection": {"precision": 1.0, "recall": 0.5, "faces": 8, "false_positives_per_image": 0.02, "curve": [1]},
            "dataset": {"splits": {"train": 7}, "leaks": 0, "path": "/x/y"},
            "dedupe": {"seconds": 0.5},
            "report": "/x/index.html",
            "empty": {},
        }
    )
    assert [(s.name, s.seconds) for s in demo.stages] == [("draw", 2.0), ("train", 5.0)]
    assert demo.seconds == 7
    assert [group.name for group in demo.groups] == ["detection", "dataset", "dedupe", "run"]
    detection, dataset, dedupe, run = demo.groups
    assert [(s.name, s.share) for s in detection.scores] == [
        ("precision", 1.0), ("recall", 0.5), ("faces", None), ("false positives per image", None),
    ]  # fmt: skip
    assert [(s.name, s.value) for s in dataset.scores] == [("leaks", "0"), ("splits train", "7")]
    assert [(s.name, s.value) for s in dedupe.scores] == [("time", "0.5\u202fs")]
    assert [(s.name, s.value) for s in run.scores] == [("seed", "3")]


def test_a_demo_without_anything_is_empty() -> None:
    assert DemoScores.of({}) == DemoScores(stages=(), groups=())


def test_hold_shares_are_of_frames() -> None:
    holds = [
        Hold(id=f"e.h{n}", episode="e", shot="s", start_pts=n, end_pts=n + 1, frames=frames)
        for n, frames in enumerate((1, 1, 2, 6))
    ]
    assert hold_shares(holds) == (("on ones", 0.2), ("on twos", 0.2), ("on threes", 0.0), ("held longer", 0.6))
    assert hold_shares([]) == ()


def test_every_track_is_shown_before_any_second_time(stock: Stock) -> None:
    crops = [c for c in stock.workspace.catalogue.all(Crop) if c.episode == stock.episode.id]
    ordered = best_first(crops)
    assert len({c.track for c in ordered[:2]}) == 2
    assert sorted(c.id for c in ordered) == sorted(c.id for c in crops)


def test_spread_takes_evenly_and_keeps_order() -> None:
    assert spread(range(10), 4) == [0, 2, 5, 7]
    assert spread(range(3), 4) == [0, 1, 2]


def test_the_most_frequent_characters_have_hues_of_their_own() -> None:
    hues = hues_for({"a": 1, "b": 9, **{f"c{n}": 5 for n in range(8)}})
    assert hues["b"] == "k0"
    assert len({hues[name] for name in ["b", *(f"c{n}" for n in range(7))]}) == 8


@pytest.mark.parametrize(
    ("text", "why"), [("{", "not JSON"), ("[1]", "not a JSON object"), ("[" * 100_000, "not JSON")]
)
def test_a_document_that_is_none_says_why(text: str, why: str) -> None:
    with pytest.raises(InputError, match=f"card: {why}"):
        parse_document(text, "card")


def test_documents_are_read_with_care(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_document(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe4"}')
    with pytest.raises(InputError, match="not UTF-8"):
        read_document(tmp_path / "latin.json")
    assert [as_number(v) for v in (1, 0.5, True, "1", None, float("nan"))] == [1.0, 0.5, None, None, None, None]
    assert [as_whole(v) for v in (3, ["a", "b"], None, 2.9)] == [3, 2, 0, 2]


def test_scores_survive_what_is_missing() -> None:
    assert read_scores("model", {}, ("a", "b")) is None
    found = read_scores("model", {"accuracy": 0.5, "confusion": [[1]]}, ("a", "b"))
    assert found is not None
    assert found.confusion == ()
    assert found.interval_words == "on 0 test examples"


def test_a_confusion_row_without_examples_has_no_shares() -> None:
    found = read_scores("model", {"accuracy": 0.5, "confusion": [[0, 0], [1, 3]]}, ("a", "b"))
    assert found is not None
    assert found.confusion == (((0, 0.0), (0, 0.0)), ((1, 0.25), (3, 0.75)))


def test_a_half_written_epoch_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"epoch": 1, "train_loss": 1.0}) + '\n{"epoch": 2, "tra')
    assert [epoch["epoch"] for epoch in read_epochs(path)] == [1]
    assert read_epochs(tmp_path / "none.jsonl") == []


def test_the_run_that_finished_last_comes_first(tmp_path: Path) -> None:
    for name, when in (("a", 300), ("b", 100), ("c", 200)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text("{}")
        os.utime(tmp_path / name / "summary.json", (when, when))
    (tmp_path / "unfinished").mkdir()
    assert [folder.name for folder in finished_runs(tmp_path)] == ["a", "c", "b"]
    assert finished_runs(tmp_path / "none") == []
