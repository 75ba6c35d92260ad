import gzip
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascades.model import CascadeModel, HaarFeature, LbpFeature, Node, Rect, Stage, Tree
from cascades.xml import read_xml, write_old_xml, write_xml
from pipeline.core.errors import CascadeError
from tests.cascades.drawing import random_model
from tests.cascades.random_models import cascades, random_cascade

SHARED = Path(__file__).parents[3] / "shared" / "cascades"
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def rects(draw: st.DrawFn, width: int, height: int, tilted: bool) -> Rect:
    w, h = draw(st.integers(1, width // 2)), draw(st.integers(1, height // 2))
    first_x, last_y = (h, height - w - h) if tilted else (0, height - h)
    x, y = draw(st.integers(first_x, max(width - w, first_x))), draw(st.integers(0, max(last_y, 0)))
    return Rect(x, y, w, h, draw(numbers))


@st.composite
def models(draw: st.DrawFn) -> CascadeModel:
    kind, width, height = draw(st.sampled_from(["HAAR", "LBP"])), draw(st.integers(8, 40)), draw(st.integers(8, 40))
    count = draw(st.integers(1, 4))
    features: list[HaarFeature | LbpFeature] = []
    for _ in range(count):
        if kind == "HAAR":
            tilted = draw(st.booleans())
            side = min(width, height)
            parts = [draw(rects(side, side, tilted)) for _ in range(draw(st.integers(2, 3)))]
            features.append(HaarFeature(tuple(parts), tilted))
        else:
            w, h = draw(st.integers(1, width // 3)), draw(st.integers(1, height // 3))
            features.append(LbpFeature(draw(st.integers(0, width - 3 * w)), draw(st.integers(0, height - 3 * h)), w, h))
    stages = tuple(
        Stage(draw(numbers), tuple(draw(trees(kind, count)) for _ in range(draw(st.integers(1, 3)))))
        for _ in range(draw(st.integers(1, 3)))
    )
    corner, opposite = st.floats(0, 0.375, width=32), st.floats(0.5, 1, width=32)
    face = (draw(corner), draw(corner), draw(opposite), draw(opposite))
    return CascadeModel(
        kind="HAAR" if kind == "HAAR" else "LBP", width=width, height=height, stages=stages, features=tuple(features),
        mode=draw(st.sampled_from(["BASIC", "CORE", "ALL"])) if kind == "HAAR" else "BASIC", face=face,
    )  # fmt: skip


@st.composite
def trees(draw: st.DrawFn, kind: str, features: int) -> Tree:
    count = draw(st.integers(1, 3))
    nodes = []
    for i in range(count):
        # a stump has its left leaf first: all that OpenCV reads where every tree is one
        left = 0 if count == 1 else i + 1 if i + 1 < count else -draw(st.integers(0, count))
        right = -1 if count == 1 else -draw(st.integers(0, count))
        word = st.integers(-(2**31), 2**31 - 1)
        nodes.append(
            Node(left, right, draw(st.integers(0, features - 1)), threshold=draw(numbers))
            if kind == "HAAR"
            else Node(left, right, draw(st.integers(0, features - 1)), subset=tuple(draw(word) for _ in range(8)))
        )
    return Tree(tuple(nodes), tuple(draw(numbers) for _ in range(count + 1)))


@settings(max_examples=60, deadline=None)
@given(models())
def test_what_is_written_reads_back_as_it_was(model: CascadeModel) -> None:
    assert read_xml(write_xml(model)) == model


@settings(max_examples=20, deadline=None)
@given(cascades(kinds=("HAAR",)))
def test_the_old_format_keeps_everything_but_shared_features(model: CascadeModel) -> None:
    again = read_xml(write_old_xml(model))
    assert (again.width, again.height, set(again.features)) == (model.width, model.height, set(model.features))
    for mine, theirs in zip(model.stages, again.stages, strict=True):
        assert mine.threshold == theirs.threshold
        for tree, other in zip(mine.trees, theirs.trees, strict=True):
            assert tree.leaves == other.leaves
            for node, same in zip(tree.nodes, other.nodes, strict=True):
                assert (node.left, node.right, node.threshold) == (same.left, same.right, same.threshold)
                assert model.features[node.feature] == again.features[same.feature]
    assert write_old_xml(again) == write_old_xml(model)


def test_a_stump_written_backwards_is_turned_round(tmp_path: Path) -> None:
    plain = random_model(np.random.default_rng(2))
    turned = [
        Stage(s.threshold, tuple(Tree((replace(t.nodes[0], left=-1, right=0),), t.leaves[::-1]) for t in s.trees))
        for s in plain.stages
    ]
    assert read_xml(write_xml(replace(plain, stages=tuple(turned)))) == plain


def test_the_old_format_is_for_haar_only() -> None:
    with pytest.raises(CascadeError, match="old format knows Haar features only"):
        write_old_xml(random_cascade(np.random.default_rng(0), kind="LBP"))


def test_a_weight_that_the_old_format_would_lose_is_refused() -> None:
    model = random_model(np.random.default_rng(2))
    first = model.features[0]
    assert isinstance(first, HaarFeature)
    light = HaarFeature((*first.rects, Rect(0, 0, 2, 2, 1e-8)))
    with pytest.raises(CascadeError, match="third rectangle of weight 1e-08"):
        write_old_xml(replace(model, features=(light, *model.features[1:])))
    light = HaarFeature((*first.rects, Rect(0, 0, 2, 2, 0.0)))
    assert write_old_xml(replace(model, features=(light, *model.features[1:])))


def test_opencv_loads_what_is_written(tmp_path: Path) -> None:
    model = random_model(np.random.default_rng(0), 26, 20)
    (tmp_path / "a.xml").write_bytes(write_xml(model))
    classifier = cv2.CascadeClassifier(str(tmp_path / "a.xml"))
    assert not classifier.empty()
    assert classifier.getOriginalWindowSize() == (26, 20)


def test_the_face_within_the_window_does_not_disturb_opencv(tmp_path: Path) -> None:
    plain = random_model(np.random.default_rng(0))
    framed = CascadeModel(
        kind="HAAR", width=24, height=24, stages=plain.stages, features=plain.features, face=(0.0, 0.25, 1.0, 0.75)
    )
    (tmp_path / "a.xml").write_bytes(write_xml(framed))
    assert read_xml(tmp_path / "a.xml") == framed
    assert not cv2.CascadeClassifier(str(tmp_path / "a.xml")).empty()


GOOD = write_xml(random_model(np.random.default_rng(1))).decode()


def changed(old: str, new: str) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new, 1).encode()


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<opencv_storage>&b;</opencv_storage>"
)
OLD = write_old_xml(random_cascade(np.random.default_rng(1), depth=2, stages=1)).decode()
DEEP = "<opencv_storage>" + "<_>" * 200_000 + "</_>" * 200_000 + "</opencv_storage>"


def changed_old(old: str, new: str) -> bytes:
    assert old in OLD
    return OLD.replace(old, new, 1).encode()


FIRST_NODE = GOOD.split("<internalNodes>")[1].split("</internalNodes>")[0]
FIRST_LEAVES = GOOD.split("<leafValues>")[1].split("</leafValues>")[0]
FIRST_RECT = GOOD.split("<rects><_>")[1].split("</_>")[0]
BAD = {
    "empty": (b"", "the file is empty"),
    "blank": (b" \n", "the file is empty"),
    "text": (b"hello", "not well-formed XML"),
    "cut off": (GOOD[: len(GOOD) // 2].encode(), "not well-formed XML"),
    "billion laughs": (BOMB.encode(), "declares a DTD or entities"),
    "another root": (b"<html><body/></html>", "the root is <html>, expected <opencv_storage>"),
    "nothing in it": (b"<opencv_storage></opencv_storage>", "there is no <cascade> in it"),
    "deep": (DEEP.encode(), "nested deeper than 16"),
    "gzip": (gzip.compress(GOOD.encode()), "compressed with gzip; unpack it first"),
    "zeros": (GOOD.encode() + bytes(100), "not well-formed XML"),
    "an unknown encoding": (GOOD.replace("?>", ' encoding="klingon"?>').encode(), "not well-formed XML"),
    "old, no size": (changed_old("<size>24 24</size>", "<size>24</size>"), "<size> has 1 numbers"),
    "old, huge": (changed_old("<size>24 24<", "<size>24 9999999<"), "the window is 24x9999999"),
    "old, no stages": (
        OLD[: OLD.index("<stages>")].encode() + b"<stages/></cascade></opencv_storage>",
        "empty <stages>",
    ),
    "old, a circle": (changed_old("<left_node>1<", "<left_node>0<"), "leads to node 0, which is no later one"),
    "old, a lost node": (changed_old("<left_node>1</left_node>", "<left_val>1.</left_val>"), "leaves for"),
    "old, both ways": (
        changed_old("<threshold>", "<left_val>1.</left_val><left_val>2.</left_val><threshold>"),
        "2 times",
    ),
    "old, nowhere": (changed_old("<left_node>1</left_node>", ""), "has no <left_node>"),
    "old, nan": (changed_old("<stage_threshold>", "<stage_threshold>nan "), "stage_threshold: 'nan"),
    "old, outside": (changed_old("<rects><_>", "<rects><_>30 0 2 2 1.</_><_>"), "leaves the 24x24 window"),
    "two windows": (changed("<width>", "<width>20</width><width>"), "<cascade> has <width> 2 times"),
    "two lists of stages": (changed("<stages>", "<stages/><stages>"), "<cascade> has <stages> 2 times"),
    "four rectangles": (changed("<rects>", "<rects>" + "<_>0 0 2 2 1.</_>" * 3), "rectangles, expected 2 or 3"),
    "underscores": (changed("<width>24<", "<width>2_4<"), "'2_4' is no number"),
    "other digits": (changed("<width>24<", "<width>\u0662\u0664<"), "is no number"),
    "beyond 32 bits": (changed(FIRST_NODE, "0 -1 1e300 0.5"), "'1e300' is out of range"),
    "half tilted": (changed("<tilted>0<", "<tilted>0.5<"), "tilted: '0.5' is no whole number"),
    "hog": (changed("HAAR", "HOG"), "featureType is 'HOG', only HAAR and LBP"),
    "no stages": (changed("<stages>", "<stage>").replace(b"</stages>", b"</stage>"), "<cascade> has no <stages>"),
    "empty stages": (
        (GOOD[: GOOD.index("<stages>")] + "<stages/>" + GOOD[GOOD.index("</stages>") + 9 :]).encode(),
        "<cascade> has an empty <stages>",
    ),
    "huge window": (changed("<width>24<", "<width>99999<"), "the window is 99999x24, expected 3 to 256"),
    "negative window": (changed("<height>24<", "<height>-4<"), "the window is 24x-4"),
    "a word for a size": (changed("<height>24<", "<height>tall<"), "height: 'tall' is no number"),
    "not whole": (changed("<height>24<", "<height>2.5<"), "height: '2.5' is no whole number"),
    "nan": (changed(FIRST_LEAVES, "nan 1."), "stage 0, tree 0, leafValues: 'nan' is not a finite number"),
    "infinite": (changed(FIRST_LEAVES, "1e99 1."), "'1e99' is not a finite number"),
    "too few leaves": (changed(FIRST_LEAVES, "1."), "stage 0, tree 0: 1 leaves for 1 nodes, expected 2"),
    "half a node": (changed(FIRST_NODE, "0 -1 0"), "3 numbers in internalNodes, expected a multiple of 4"),
    "no such feature": (changed(FIRST_NODE, "0 -1 900 0.5"), "feature 900 of 8 does not exist"),
    "no such leaf": (changed(FIRST_NODE, "0 -2 0 0.5"), "node 0 leads to -2, which is no later node and no leaf"),
    "a circle": (changed(FIRST_NODE, "1 -1 0 0.5"), "node 0 leads to 1"),
    "a rectangle outside": (changed(FIRST_RECT, "20 0 9 5 -1."), "the rectangle 20 0 9 5 leaves the 24x24 window"),
    "an empty rectangle": (changed(FIRST_RECT, "2 0 0 5 -1."), "the rectangle 2 0 0 5 leaves the 24x24 window"),
    "four numbers": (changed(FIRST_RECT, "2 0 0 5"), "feature 0: a rectangle of 4 numbers"),
    "categories": (changed("<maxCatCount>0<", "<maxCatCount>256<"), "maxCatCount is 256, expected 0 for HAAR"),
    "boost type": (changed("<stageType>BOOST<", "<stageType>TREE<"), "stageType is 'TREE', only BOOST is known"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_cascade_is_refused_and_said_why(case: str, tmp_path: Path) -> None:
    content, reason = BAD[case]
    path = tmp_path / "bad.xml"
    path.write_bytes(content)
    with pytest.raises(CascadeError) as told:
        read_xml(path)
    assert str(path) in str(told.value)
    assert reason in str(told.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.xml", tmp_path):
        with pytest.raises(CascadeError, match=f"{path}: cannot be read"):
            read_xml(path)


def test_a_file_too_large_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as stream:
        stream.truncate(33 * 1024 * 1024)
    with pytest.raises(CascadeError, match="are more than the 33,554,432 allowed"):
        read_xml(path)


def test_other_encodings_of_the_same_text_are_read() -> None:
    model = read_xml(GOOD.encode())
    assert read_xml(GOOD.replace('"1.0"', '"1.0" encoding="utf-16"').encode("utf-16")) == model
    assert read_xml(b"\xef\xbb\xbf" + GOOD.encode()) == model


def test_what_others_put_around_it_does_not_matter() -> None:
    commented = changed("<internalNodes>", "<!-- stage --><internalNodes><!-- here -->").replace(b"\n", b"\r\n")
    assert read_xml(commented) == read_xml(GOOD.encode())


def test_too_many_elements_are_refused_before_they_fill_the_memory() -> None:
    with pytest.raises(CascadeError, match="more than 500,000 XML elements"):
        read_xml(b"<opencv_storage>" + b"<_/>" * 500_100 + b"</opencv_storage>")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the cascades of others lie in ../shared/cascades, which is absent")
@pytest.mark.parametrize(("name", "kind", "stages"), [("tom", "HAAR", 20), ("lbpcascade_animeface", "LBP", 20)])
def test_cascades_of_others_read_and_decide_the_same_when_written_anew(
    name: str, kind: str, stages: int, tmp_path: Path
) -> None:
    model = read_xml(SHARED / f"{name}.xml")
    assert (model.kind, len(model.stages), model.width) == (kind, stages, 24)
    (tmp_path / "again.xml").write_bytes(write_xml(model))
    theirs, ours = (
        cv2.CascadeClassifier(str(SHARED / f"{name}.xml")),
        cv2.CascadeClassifier(str(tmp_path / "again.xml")),
    )
    image = cv2.resize(np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8), (640, 480))
    first, second = (sorted(map(tuple, c.detectMultiScale(image, 1.05, 0))) for c in (theirs, ours))
    assert first == second
