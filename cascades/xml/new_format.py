"""The format of opencv_traincascade: features in a list of their own, trees that refer to them; Haar and LBP."""

from collections.abc import Iterator
from dataclasses import replace
from xml.etree.ElementTree import Element

from cascades.model import CascadeModel, HaarFeature, LbpFeature, Node, Stage, Tree
from cascades.xml.document import (
    Unfit,
    check_window,
    child,
    face_line,
    face_of,
    finite,
    haar_feature,
    integer,
    items,
    number,
    optional,
    rects_element,
    shown,
    text,
    whole,
    words,
)


def read_new(cascade: Element) -> CascadeModel:
    """The model in a <cascade>. Raises Unfit."""
    kind = text(cascade, "featureType", "<cascade>")
    if text(cascade, "stageType", "<cascade>") != "BOOST":
        raise Unfit(f"stageType is {shown(text(cascade, 'stageType', '<cascade>'))}, only BOOST is known")
    if kind not in ("HAAR", "LBP"):
        raise Unfit(f"featureType is {shown(kind)}, only HAAR and LBP can be evaluated")
    width, height = integer(cascade, "width", "<cascade>"), integer(cascade, "height", "<cascade>")
    check_window(width, height)
    params = child(cascade, "featureParams", "<cascade>")
    categories = integer(params, "maxCatCount", "<featureParams>")
    if categories != (0 if kind == "HAAR" else 256):
        raise Unfit(f"maxCatCount is {categories}, expected 0 for HAAR and 256 for LBP")
    listed = enumerate(items(cascade, "features", "<cascade>"))
    features: tuple[HaarFeature | LbpFeature, ...]
    if kind == "HAAR":
        features = tuple(haar_feature(e, f"feature {i}", width, height) for i, e in listed)
    else:
        features = tuple(_lbp(e, f"feature {i}", width, height) for i, e in listed)
    stages = tuple(_stage(e, i, kind, len(features)) for i, e in enumerate(items(cascade, "stages", "<cascade>")))
    return CascadeModel(
        kind="HAAR" if kind == "HAAR" else "LBP",
        width=width,
        height=height,
        stages=_as_opencv_walks(stages),
        features=features,
        mode=_mode(params),
        face=face_of(cascade),
    )


def _mode(params: Element) -> str:
    element = optional(params, "mode", "<featureParams>")
    mode = "" if element is None else (element.text or "").strip()
    return mode if mode in ("BASIC", "CORE", "ALL") else "BASIC"


def _as_opencv_walks(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Where every tree is a stump OpenCV reads no children: left is the first leaf, right the second."""
    if any(len(tree.nodes) > 1 for stage in stages for tree in stage.trees):
        return stages
    return tuple(
        Stage(stage.threshold, tuple(Tree((replace(t.nodes[0], left=0, right=-1),), t.leaves) for t in stage.trees))
        for stage in stages
    )


def _stage(element: Element, index: int, kind: str, features: int) -> Stage:
    where = f"stage {index}"
    threshold = finite(text(element, "stageThreshold", where), f"{where}, stageThreshold")
    trees = tuple(
        _tree(e, f"{where}, tree {i}", kind, features) for i, e in enumerate(items(element, "weakClassifiers", where))
    )
    return Stage(threshold=threshold, trees=trees)


def _tree(element: Element, where: str, kind: str, features: int) -> Tree:
    listed = words(element, "internalNodes", where)
    leaves = tuple(finite(word, f"{where}, leafValues") for word in words(element, "leafValues", where))
    per_node = 4 if kind == "HAAR" else 11
    if not listed or len(listed) % per_node:
        raise Unfit(f"{where}: {len(listed)} numbers in internalNodes, expected a multiple of {per_node}")
    count = len(listed) // per_node
    if len(leaves) != count + 1:
        raise Unfit(f"{where}: {len(leaves)} leaves for {count} nodes, expected {count + 1}")
    nodes = tuple(
        _node(listed[i * per_node : (i + 1) * per_node], i, count, where, kind, features) for i in range(count)
    )
    return Tree(nodes=nodes, leaves=leaves)


def _node(listed: list[str], index: int, count: int, where: str, kind: str, features: int) -> Node:
    left, right, feature = (whole(word, f"{where}, internalNodes") for word in listed[:3])
    if not 0 <= feature < features:
        raise Unfit(f"{where}: feature {feature} of {features} does not exist")
    for target in (left, right):
        # children come after their parent, so that no walk can run in a circle
        if not (index < target < count if target > 0 else -target <= count):
            raise Unfit(f"{where}: node {index} leads to {target}, which is no later node and no leaf")
    if kind == "HAAR":
        return Node(left, right, feature, threshold=finite(listed[3], f"{where}, threshold"))
    subset = tuple(whole(word, f"{where}, subset") for word in listed[3:])
    if any(not -(2**31) <= word < 2**31 for word in subset):
        raise Unfit(f"{where}: a subset word is no signed 32-bit number")
    return Node(left, right, feature, subset=subset)


def _lbp(element: Element, where: str, width: int, height: int) -> LbpFeature:
    listed = words(element, "rect", where)
    if len(listed) != 4:
        raise Unfit(f"{where}: a block of {len(listed)} numbers, expected x y width height")
    x, y, w, h = (whole(word, where) for word in listed)
    if x < 0 or y < 0 or w <= 0 or h <= 0 or x + 3 * w > width or y + 3 * h > height:
        raise Unfit(f"{where}: 3x3 blocks of {x} {y} {w} {h} leave the {width}x{height} window")
    return LbpFeature(x, y, w, h)


# ------------------------------------------------------------------------------------------------------- writing


def new_lines(model: CascadeModel) -> Iterator[str]:
    """The document, line by line."""
    categories = 256 if model.kind == "LBP" else 0
    mode = f"<mode>{model.mode}</mode>" if model.kind == "HAAR" else ""
    depth = max((len(t.nodes) for s in model.stages for t in s.trees), default=1)
    most = max((len(s.trees) for s in model.stages), default=0)
    yield from ('<?xml version="1.0"?>', "<opencv_storage>", "<cascade>", "  <stageType>BOOST</stageType>")
    yield f"  <featureType>{model.kind}</featureType>"
    yield f"  <height>{model.height}</height>"
    yield f"  <width>{model.width}</width>"
    yield f"  <stageParams><boostType>GAB</boostType><maxDepth>{depth}</maxDepth><maxWeakCount>{most}</maxWeakCount></stageParams>"
    yield f"  <featureParams><maxCatCount>{categories}</maxCatCount><featSize>1</featSize>{mode}</featureParams>"
    yield f"  <stageNum>{len(model.stages)}</stageNum>"
    yield "  <stages>"
    for stage in model.stages:
        yield from _stage_lines(stage)
    yield from ("  </stages>", "  <features>", *map(_feature_line, model.features), "  </features>")
    yield from (*face_line(model.face), "</cascade>", "</opencv_storage>", "")


def _stage_lines(stage: Stage) -> Iterator[str]:
    yield f"    <_><maxWeakCount>{len(stage.trees)}</maxWeakCount>"
    yield f"      <stageThreshold>{number(stage.threshold)}</stageThreshold>"
    yield "      <weakClassifiers>"
    for tree in map(_usual_stump, stage.trees):
        nodes = " ".join(map(_node_words, tree.nodes))
        leaves = " ".join(map(number, tree.leaves))
        yield f"        <_><internalNodes>{nodes}</internalNodes><leafValues>{leaves}</leafValues></_>"
    yield "      </weakClassifiers></_>"


def _usual_stump(tree: Tree) -> Tree:
    """A stump with its left leaf first, the only way that every reader understands; other trees as they are."""
    if len(tree.nodes) > 1:
        return tree
    node = tree.nodes[0]
    return Tree((replace(node, left=0, right=-1),), (tree.leaves[-node.left], tree.leaves[-node.right]))


def _node_words(node: Node) -> str:
    test = map(str, node.subset) if node.subset else [number(node.threshold)]
    return " ".join([str(node.left), str(node.right), str(node.feature), *test])


def _feature_line(feature: HaarFeature | LbpFeature) -> str:
    if isinstance(feature, LbpFeature):
        return f"    <_><rect>{feature.x} {feature.y} {feature.width} {feature.height}</rect></_>"
    return f"    <_>{rects_element(feature)}</_>"
