"""The cascades' part of the page."""

import json
from dataclasses import replace
from pathlib import Path

from pipeline.core.records import Cascade
from pipeline.core.workspace import Workspace
from pipeline.report import build_report
from pipeline.report.finders import CascadeView, cascade_section
from pipeline.report.holdings import read_holdings
from pipeline.report.thumbnails import Gallery
from tests.cascades.drawing import random_model
from tests.pipeline.report.conftest import Elements
from tests.pipeline.report.stock import HOSTILE, WHEN, Stock


def view_of(workspace: Workspace, name: str = "tom") -> CascadeView:
    section = cascade_section(workspace, read_holdings(workspace), Gallery())
    return next(view for view in section.views if view.name == name)


def with_card(stock: Stock, **more: object) -> CascadeView:
    catalogue = stock.workspace.catalogue
    record = catalogue.get(Cascade, "tom")
    assert record is not None
    catalogue.put([replace(record, card=json.dumps(json.loads(record.card) | more))])
    return view_of(stock.workspace)


def test_each_round_is_told_and_their_curves_lie_beside_one_another(stock: Stock) -> None:
    view = view_of(stock.workspace)
    assert [(r.number, r.learned_from) for r in view.rounds] == [(1, "few <b>.json"), (2, "labels"), (3, "labels")]
    assert view.rounds[2].cells[:2] == ("60", "14")
    assert view.rounds_chart is not None
    assert view.rounds_chart.drawing.count("<polyline") == 3
    assert view.rounds_chart.note == "The same 30 held-out faces on 12 pictures in every round."


def test_only_rounds_on_the_same_scenes_share_a_chart(own_stock: Stock) -> None:
    before = json.loads(own_stock.workspace.catalogue.all(Cascade, id="tom")[0].card)["rounds"]
    before[0]["held_out"] = {"digest": "other", "pictures": 1, "faces": 1}
    view = with_card(own_stock, rounds=before)
    assert view.rounds_chart is not None
    assert view.rounds_chart.drawing.count("<polyline") == 2
    assert len(view.rounds) == 3


def test_stages_are_told_on_what_they_learned_from_and_on_held_out_windows(stock: Stock) -> None:
    view = view_of(stock.workspace)
    assert view.columns == (
        "stumps", "hit rate", "hit rate, held out", "false alarm", "false alarm, held out", "held-out faces so far",
        "background so far", "windows seen", "seconds",
    )  # fmt: skip
    first = [cell.replace("\u202f", " ") for cell in view.stages[0]]
    assert first == ["1", "5", "99.50 %", "98.00 %", "40.0 %", "50.0 %", "98.00 %", "0.5", "10,000", "1.5"]


def test_the_charts_show_the_curve_the_threshold_and_the_probability(stock: Stock) -> None:
    titles = [chart.title for chart in view_of(stock.workspace).charts]
    assert titles == ["Precision over recall", "What a score means", "Faces that pass", "Background that passes"]


def test_a_cascade_scored_only_in_rounds_shows_the_last_one_s_scores(own_stock: Stock) -> None:
    view = with_card(own_stock, scores={})
    assert next((s.name, s.value.replace("\u202f", " ")) for s in view.scores) == ("average precision", "90.0 %")
    titles = [chart.title for chart in view.charts]
    assert titles[:3] == ["Precision over recall", "Over the score threshold", "False positives per image"]


def test_examples_are_shown_by_kind_with_their_place_and_score(stock: Stock, page: Path, elements: Elements) -> None:
    rows = view_of(stock.workspace).examples
    assert [row.kind for row in rows] == ["false_positive", "miss", "find"]
    assert all(item.picture is not None for row in rows for item in row.examples)
    assert rows[0].examples[0].title == f"s01e01 {HOSTILE} at 0:00:00.250, 44 px, score 9.5"
    assert len([a for _, a in elements.tags if a.get("class") == "boxed"]) == 9
    assert "from score 4.00 on: 40 of 41 finds right" in elements.text
    assert "secret shot" not in elements.text


def test_the_features_are_drawn_where_the_xml_is_there(own_stock: Stock) -> None:
    import numpy as np

    from cascades.xml import write_xml

    workspace = own_stock.workspace
    assert view_of(workspace).portrait is None, "its XML is not in the store"
    xml = workspace.objects.put(write_xml(random_model(np.random.default_rng(0))), ".xml")
    workspace.catalogue.put([Cascade(id="drawn", character="tom", sha256=xml, card="{}", created=WHEN)])
    portrait = view_of(workspace, "drawn").portrait
    assert portrait is not None
    assert portrait.width > 300


def test_strange_cards_cost_nothing_but_their_part(own_stock: Stock) -> None:
    strange = {
        "rounds": [1, {"scores": 3}, {"scores": {"curve": [{"recall": "x"}]}}], "examples": [{"kind": "find"}, 7, {}],
        "held_out_stages": [], "calibration": {"knots": [[1], "x", [1, None]]}, "operating_points": {"0.9": 4},
        "scores": {"precision": "high", "curve": {"a": 1}, "best": 3}, "scenes": 3,
    }  # fmt: skip
    view = with_card(own_stock, **strange)
    assert len(view.rounds) == 3
    assert view.rounds_chart is None
    assert view.examples[0].examples[0].picture is None
    assert "tom" in build_report(own_stock.workspace).read_text(encoding="utf-8")
