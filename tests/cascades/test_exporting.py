import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from typer.testing import CliRunner, Result

from cascades.apply import WindowJudge
from cascades.commands.export import export
from cascades.formats.card import card_text, write_card
from cascades.formats.json_format import write_json_model
from cascades.formats.openmv import write_openmv
from cascades.model import CascadeModel, HaarFeature, LbpFeature, Node, Rect, Stage, Tree
from cascades.registry import store_cascade
from cascades.xml import read_xml, write_old_xml, write_xml
from pipeline.console import Session
from pipeline.core.errors import CascadeError, UsageError
from pipeline.core.workspace import Workspace
from tests.cascades.drawing import random_model
from tests.cascades.random_models import cascades, random_cascade, random_windows

# ---------------------------------------------------------------------------------------------- readers of our own


def read_json_model(content: bytes) -> CascadeModel:
    told = json.loads(content)
    assert (told["format"], told["version"]) == ("toonsift cascade", 1)
    features: list[HaarFeature | LbpFeature] = []
    for feature in told["features"]:
        if "block" in feature:
            features.append(LbpFeature(*feature["block"]))
        else:
            features.append(HaarFeature(tuple(Rect(*r) for r in feature["rects"]), feature["tilted"]))
    stages = tuple(
        Stage(
            float(np.float32(stage["threshold"])),
            tuple(
                Tree(tuple(read_node(n) for n in tree["nodes"]), tuple(float(np.float32(v)) for v in tree["leaves"]))
                for tree in stage["trees"]
            ),
        )
        for stage in told["stages"]
    )
    return CascadeModel(
        kind=told["feature"], width=told["width"], height=told["height"], stages=stages, features=tuple(features)
    )


def read_node(told: dict[str, Any]) -> Node:
    children = told["left"], told["right"], told["feature"]
    if "subset" in told:
        return Node(*children, subset=tuple(told["subset"]))
    return Node(*children, threshold=float(np.float32(told["threshold"])))


def read_openmv(content: bytes) -> CascadeModel:
    """As the camera's firmware reads it: field after field."""
    width, height, count = struct.unpack_from("<3i", content)
    sizes, at = content[12 : 12 + count], 12 + count
    at += 4 - count % 4 if count % 4 else 0
    total = sum(sizes)

    def numbers(many: int, code: str, unit: int = 1) -> list[float]:
        nonlocal at
        found = struct.unpack_from(f"<{many}{code}", content, at)
        at += many * struct.calcsize(code)
        return [value / unit for value in found]

    thresholds, cuts = numbers(count, "h", 256), numbers(total, "h", 4096)
    lefts, rights = numbers(total, "h", 256), numbers(total, "h", 256)
    rectangles = [int(many) for many in numbers(total, "B")]
    weights, edges = numbers(sum(rectangles), "b"), [int(e) for e in numbers(4 * sum(rectangles), "B")]
    assert at == len(content)
    features, stages, done, tree = [], [], 0, 0
    for many in rectangles:
        features.append(
            HaarFeature(tuple(Rect(*edges[4 * i : 4 * i + 4], weights[i]) for i in range(done, done + many)))
        )
        done += many
    for threshold, size in zip(thresholds, sizes, strict=True):
        trees = [Tree((Node(0, -1, i, cuts[i]),), (lefts[i], rights[i])) for i in range(tree, tree + size)]
        stages.append(Stage(threshold, tuple(trees)))
        tree += size
    return CascadeModel(kind="HAAR", width=width, height=height, stages=tuple(stages), features=tuple(features))


# ----------------------------------------------------------------------------------------------------------- formats


@settings(max_examples=20, deadline=None)
@given(cascades())
def test_json_holds_everything(model: CascadeModel) -> None:
    again = read_json_model(write_json_model(model))
    assert write_xml(again).replace(b"<mode>BASIC", b"<mode>ALL") == write_xml(model).replace(
        b"<mode>BASIC", b"<mode>ALL"
    )


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_openmv_s_file_reads_back_as_its_firmware_reads_it(stages: int) -> None:
    model = random_model(np.random.default_rng(stages), 30, 20, stages=stages)
    again = read_openmv(write_openmv(model))
    assert (again.width, again.height, len(again.stages)) == (30, 20, stages)
    for mine, theirs in zip(model.stages, again.stages, strict=True):
        assert theirs.threshold == pytest.approx(mine.threshold, abs=1 / 512)
        for tree, other in zip(mine.trees, theirs.trees, strict=True):
            assert other.nodes[0].threshold == pytest.approx(tree.nodes[0].threshold, abs=1 / 8192)
            assert other.leaves == pytest.approx(tree.leaves, abs=1 / 512)
            assert again.features[other.nodes[0].feature] == model.features[tree.nodes[0].feature]
    windows = random_windows(np.random.default_rng(9), 30, 20, 300)
    ours, theirs_ = (WindowJudge(m).windows(windows).stages_passed == stages for m in (model, again))
    assert (ours == theirs_).mean() > 0.95


def test_what_openmv_cannot_hold_is_refused_in_words() -> None:
    random = np.random.default_rng(1)
    for model in (
        random_cascade(random, kind="LBP"),
        random_cascade(random, tilted="all"),
        random_cascade(random, depth=2),
    ):
        with pytest.raises(CascadeError, match="OpenMV evaluates upright Haar features and stumps only"):
            write_openmv(model)
    rects = (Rect(0, 0, 4, 4, -1.0), Rect(0, 0, 2, 4, 2.0))

    def with_one(stump: Tree, weight: float = 2.0, many: int = 1) -> CascadeModel:
        feature = HaarFeature((rects[0], Rect(0, 0, 2, 4, weight)))
        return CascadeModel(
            kind="HAAR", width=24, height=24, stages=(Stage(0.0, (stump,) * many),), features=(feature,)
        )

    stump = Tree((Node(0, -1, 0, 0.5),), (-1.0, 1.0))
    assert write_openmv(with_one(stump))
    with pytest.raises(CascadeError, match="255 trees a stage, the largest has 256"):
        write_openmv(with_one(stump, many=256))
    with pytest.raises(CascadeError, match="keeps node thresholds within 8 of zero, this cascade has 9"):
        write_openmv(with_one(Tree((Node(0, -1, 0, 9.0),), (-1.0, 1.0))))
    with pytest.raises(CascadeError, match="keeps leaves within 128 of zero"):
        write_openmv(with_one(Tree((Node(0, -1, 0, 0.5),), (-1.0, 500.0))))
    with pytest.raises(CascadeError, match=r"whole weights from -128 to 127, this cascade has 2\.5"):
        write_openmv(with_one(stump, weight=2.5))


# -------------------------------------------------------------------------------------------------------------- card

CARD: dict[str, Any] = {
    "reason": "all 2 stages fitted",
    "false_alarm": 0.00012345,
    "stages": [{"weak": 3, "hit_rate": 0.998, "note": "a|b"}, {"weak": 5, "hit_rate": 1.0}],
    "data": {"truth": "faces.json", "negatives": ["a", "b"], "faces": 40},
    "options": {"size": [24, 24], "boost": {"bins": 64}},
    "scores": {"recall": 0.9, "curve": [[0.1, 0.2]] * 30},
    "versions": {"toonsift": "1"},
    "something_new": "said too",
}


def test_the_card_is_readable_and_leaves_out_only_long_lists(tmp_path: Path) -> None:
    text = card_text("ann", CARD)
    for line in (
        "# Cascade ann", "## Why fitting ended", "| truth | faces.json |", "| negatives | a, b |", "| size | 24, 24 |",
        "| boost bins | 64 |", "| 1 | 3 | 0.998 | a/b |", "| recall | 0.9 |", "0.0001234", "## Something new",
    ):  # fmt: skip
        assert line in text
    assert "curve" not in text
    assert write_card(tmp_path / "ann.xml", "ann", CARD) == tmp_path / "ann.card.md"
    assert (tmp_path / "ann.card.md").read_text() == text
    assert card_text("x", {}).startswith("# Cascade x")


# ----------------------------------------------------------------------------------------------------------- command


def call(workspace: Workspace, *words: str) -> Result:
    app = typer.Typer()
    app.command()(export)

    @app.callback()
    def top(ctx: typer.Context) -> None:
        ctx.obj = Session(root=workspace.root, json=True, quiet=True, debug=False)

    return CliRunner().invoke(app, ["export", *words])


@pytest.mark.parametrize(
    ("format_", "name"),
    [("opencv", "ann.xml"), ("opencv-old", "ann-old.xml"), ("json", "ann.json"), ("openmv", "ann.cascade")],
)
def test_export_writes_each_format_and_the_card(
    format_: str, name: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = random_model(np.random.default_rng(0))
    with workspace.writing("test"):
        store_cascade(workspace, "ann", "Ann", write_xml(model), CARD)
    done = call(workspace, "ann", "--format", format_)
    assert done.exception is None, done.output
    told = json.loads(done.stdout)
    assert Path(told["path"]) == tmp_path / name
    expected = {
        "opencv": write_xml(model), "opencv-old": write_old_xml(model), "json": write_json_model(model),
        "openmv": write_openmv(model),
    }  # fmt: skip
    assert (tmp_path / name).read_bytes() == expected[format_]
    assert Path(told["card"]).read_text() == card_text("ann", CARD)


def test_export_turns_a_file_from_elsewhere_and_never_overwrites_it(workspace: Workspace, tmp_path: Path) -> None:
    source, target = tmp_path / "old.xml", tmp_path / "new.xml"
    model = random_model(np.random.default_rng(0))
    source.write_bytes(write_old_xml(model))
    assert call(workspace, str(source), "--out", str(target)).exception is None
    assert read_xml(target).stages == model.stages
    refused = call(workspace, str(source), "--out", str(source))
    assert isinstance(refused.exception, UsageError)
    assert "is the file to be exported" in str(refused.exception)
    assert source.read_bytes() == write_old_xml(model)


def test_an_unknown_format_is_named(workspace: Workspace) -> None:
    refused = call(workspace, "ann", "--format", "onnx")
    assert isinstance(refused.exception, UsageError)
    assert "--format must be one of opencv, opencv-old, json, openmv, got 'onnx'" in str(refused.exception)
