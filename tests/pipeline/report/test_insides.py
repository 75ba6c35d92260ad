"""The run's page, what `explain` and `predict` left, and hostile or damaged files of theirs."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import CheckpointError
from pipeline.core.files import write_bytes, write_json, write_text
from pipeline.core.images import encode_png
from pipeline.report import build_report
from pipeline.report.documents import Document
from pipeline.report.insides import inside_section
from pipeline.report.reliability import reliability_of
from pipeline.report.run_page import build_run_page
from pipeline.report.thumbnails import Gallery
from pipeline.report.timelines import view_of
from pipeline.report.training import phase_borders, training_section
from tests.pipeline.report.conftest import Elements
from tests.pipeline.report.stock import CLASSES, HOSTILE, Stock


def look_inside(run: Path) -> None:
    """As `explain` leaves it."""
    picture = np.random.default_rng(0).integers(0, 256, (300, 700, 3), dtype=np.uint8)
    write_bytes(run / "explain" / "gradcam-01.png", encode_png(picture))
    write_json(
        run / "explain" / "explain.json",
        {
            "format": 1, "layer": "net.layer4", "examples": 3,
            "sheets": [{"class": HOSTILE, "file": "gradcam-01.png"}, {"class": "happy", "file": "../../../x.png"}],
            "confused_pairs": [{"classes": ["angry", "happy"], "first_as_second": 3, "second_as_first": 1, "share": 0.4}],
            "judged": {"examples": 20, "how": "by folds", "accuracy": 0.5},
            "suspects": [{"crop": HOSTILE, "priority": 7, "reason": "labelled a, says b"}] * 30,
        },
    )  # fmt: skip


def predicted(workspace: Path, name: str = "e1-run") -> None:
    """As `predict` leaves it."""
    shares = [
        {"emotion": e, "share": s, "low": s - 0.1, "high": s + 0.1} for e, s in zip(CLASSES, (0.4, 0.6), strict=True)
    ]
    who = {"character": HOSTILE, "seconds": 20.0, "unsure_seconds": 5.0, "shots": 4, "shares": shares, "first": 0.9}
    write_json(
        workspace / "timelines" / name / "timeline.json",
        {
            "format": "toonsift-timeline/1", "run": "run-1", "emotions": CLASSES, "episode": {"name": "s01e01"},
            "provenance": {"calibrated_on": "val", "calibration_examples": 40, "temperature": 2.5},
            "shares": {"asked": "happy", "answer": HOSTILE, "sure": 0.9, "characters": [who]},
        },
    )  # fmt: skip


def test_the_runs_page_has_curves_phases_reliability_insides_and_mistakes(own_stock: Stock) -> None:
    look_inside(own_stock.run)
    epochs = [
        {
            "epoch": n,
            "train_loss": 1 / n,
            "val_macro_f1": n / 9,
            "learning_rate": 0.1,
            "phase": "short" if n < 4 else "long",
        }
        for n in range(1, 8)
    ]
    write_text(own_stock.run / "metrics.jsonl", "".join(json.dumps(epoch) + "\n" for epoch in epochs))
    html = build_run_page(own_stock.workspace, own_stock.run).read_text(encoding="utf-8")
    assert HOSTILE not in html
    found = Elements(html)
    for said in (
        "Loss per epoch", "Macro F1 per epoch", "Learning rate per epoch", "long", "Confusion", "Reliability", "net.layer4",
        "angry / happy", "20 of 30 doubtful labels shown", "at that, most doubts are its own", "Worst mistakes",
    ):  # fmt: skip
        assert said in found.text, said
    assert not found.all("script")
    assert any("Grad-CAM sheet" in image["alt"] for image in found.all("img"))


def test_where_long_retraining_begins_is_a_border() -> None:
    epochs: list[Document] = [
        {"epoch": 1, "phase": "short"},
        {"epoch": 2, "phase": "short"},
        {"epoch": 3, "phase": "long"},
    ]
    assert phase_borders(epochs) == ((2.5, "long"),)
    assert phase_borders([{"epoch": 1}, {"epoch": 2}]) == ()


def test_the_calibration_error_is_the_mean_distance_of_confidence_and_accuracy(own_stock: Stock) -> None:
    view = training_section(own_stock.workspace, own_stock.run).view
    assert view is not None
    found = reliability_of(view)
    assert found is not None
    assert found.examples == 2
    assert found.error == pytest.approx(0.4, abs=1e-6)  # both are said with 0.9, one is right
    (own_stock.run / "predictions.parquet").unlink()
    assert reliability_of(view) is None


def test_who_is_the_happiest_stands_on_the_workspaces_page(own_stock: Stock) -> None:
    predicted(own_stock.workspace.root)
    write_text(own_stock.workspace.root / "timelines" / "broken" / "timeline.json", "{")
    look_inside(own_stock.run)
    html = build_report(own_stock.workspace).read_text(encoding="utf-8")
    assert HOSTILE not in html
    text = Elements(html).text
    for said in (
        "who is the most happy?",
        "calibrated on 40 val examples, temperature 2.50",
        "25",
        "not JSON",
        "net.layer4",
    ):
        assert said in text, said


@pytest.mark.parametrize("value", [None, [], "x", 3, {"characters": 7}, {"characters": [{"shares": [{"share": "x"}]}]}])
def test_strange_timelines_are_empty_not_an_exception(value: object) -> None:
    view = view_of({"shares": value, "provenance": value, "emotions": value})
    assert view.sure == 0.0


@pytest.mark.parametrize("text", ["", "[]", "{", '{"sheets": 3, "suspects": {"a": 1}, "judged": []}'])
def test_a_damaged_look_inside_is_told_or_empty(tmp_path: Path, text: str) -> None:
    write_text(tmp_path / "explain" / "explain.json", text)
    found = inside_section(tmp_path, Gallery())
    assert bool(found.trouble) != (text.startswith('{"'))
    assert found.sheets == ()


def test_a_picture_outside_the_run_is_not_shown(own_stock: Stock) -> None:
    look_inside(own_stock.run)
    gallery = Gallery()
    found = inside_section(own_stock.run, gallery)
    assert [sheet.picture is not None for sheet in found.sheets] == [True, False]
    assert "leads out of" in gallery.missing[0]


def test_a_folder_that_is_no_run_has_no_page(own_stock: Stock, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no training run"):
        build_run_page(own_stock.workspace, tmp_path)
